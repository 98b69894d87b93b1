"""Devices that keep no weight: found by what the array reads of them, then left alone.

A masked device gets no pulse. Its weight counts as 0, whatever it reads, and so does its gradient. Every read-out is
looked at: the decoding counts codes that no healthy device gives, and only if there are more of them than masked
devices are the new ones read again, several times, and masked if that confirms it. Once masked, a device stays so.
"""

from collections.abc import Callable
from typing import final

import numpy as np
from numpy.typing import NDArray

from calibration import Health, HealthBounds
from drivers.errors import DeviceFault
from drivers.protocols import ArrayProgrammer
from hil.mapping import DeviceLayer

CONFIRMATIONS = 4
"""Further readings of a device whose code no healthy device gives; the verdict is that of their mean."""


@final
class HealthWatch:
    """Who is masked, and why.

    Args:
        array: the controller.
        layers: where each layer's weights are.
        bounds: which codes are those of bad devices.
        largest_bad_share: of all weights, that may be masked.
        warn: told in words of devices that are masked.

    Attributes:
        masked: places in each layer whose devices are masked, in rising order.
    """

    def __init__(
        self,
        array: ArrayProgrammer,
        layers: tuple[DeviceLayer, ...],
        bounds: HealthBounds,
        *,
        largest_bad_share: float,
        warn: Callable[[str], None],
    ) -> None:
        self.masked: list[NDArray[np.intp]] = [np.empty(0, np.intp) for _ in layers]
        self.bounds = bounds
        self._array = array
        self._layers = layers
        self._largest_bad_share = largest_bad_share
        self._warn = warn
        self._counts = {Health.OPEN: 0, Health.SHORT: 0}
        self._was_warned = False

    @property
    def open_devices(self) -> int:
        """Return the number of open devices that are masked."""
        return self._counts[Health.OPEN]

    @property
    def short_devices(self) -> int:
        """Return the number of short devices that are masked."""
        return self._counts[Health.SHORT]

    def is_news(self, outside: list[int]) -> bool:
        """Return whether a read-out shows other devices than the masked ones.

        Args:
            outside: codes of each layer that no healthy device gives.
        """
        return any(count != len(masked) for count, masked in zip(outside, self.masked, strict=True))

    def examine(self, codes: NDArray[np.uint16]) -> None:
        """Find bad devices in a read-out that shows some, read them again, and mask them. Moves nothing.

        Args:
            codes: of all devices from the array's first on.

        Raises:
            DeviceFault: if more are bad than may be.
        """
        suspects = self._suspects(codes)
        if len(suspects) > self._most_bad:
            self._refuse(codes[suspects])
        if not len(suspects):
            return
        # Added up one by one: what a driver returns may be overwritten by its next reading.
        means = np.zeros(len(suspects))
        for _ in range(CONFIRMATIONS):
            means += self._array.read_selected(suspects) / CONFIRMATIONS
        found = {health: self._mask(health, suspects, means) for health in (Health.OPEN, Health.SHORT)}
        for health, count in found.items():
            if count:
                devices = "device" if count == 1 else "devices"
                self._warn(f"{count:,} {health} {devices} masked: {self.bounds.evidence(health)}")
        if self.open_devices + self.short_devices > self._most_bad:
            self._refuse(np.empty(0, np.uint16))

    def warn_of_blindness(self) -> None:
        """Tell, once, if open devices cannot be told from healthy ones."""
        if not self.bounds.finds_open and not self._was_warned:
            self._was_warned = True
            self._warn(
                f"open devices cannot be told from healthy ones by one reading: {self.bounds.evidence(Health.OPEN)}"
            )

    @property
    def _most_bad(self) -> float:
        return self._largest_bad_share * self._weights

    @property
    def _weights(self) -> int:
        return sum(layer.devices for layer in self._layers)

    def _suspects(self, codes: NDArray[np.uint16]) -> NDArray[np.uint32]:
        """Return the devices with codes that no healthy device gives, without the masked ones."""
        found = []
        for layer, masked in zip(self._layers, self.masked, strict=True):
            of_layer = codes[layer.first : layer.stop]
            strange = np.union1d(*(self.bounds.where(health, of_layer) for health in (Health.OPEN, Health.SHORT)))
            found.append(layer.first + np.setdiff1d(strange, masked, assume_unique=True))
        return np.concatenate(found).astype(np.uint32)

    def _mask(self, health: Health, suspects: NDArray[np.uint32], means: NDArray[np.float64]) -> int:
        bad = suspects[self.bounds.where(health, means)].astype(np.intp)
        for index, layer in enumerate(self._layers):
            of_layer = bad[(bad >= layer.first) & (bad < layer.stop)] - layer.first
            self.masked[index] = np.union1d(self.masked[index], of_layer)
        self._counts[health] += len(bad)
        return len(bad)

    def _refuse(self, codes: NDArray[np.uint16]) -> None:
        count = {health: self._counts[health] + len(self.bounds.where(health, codes)) for health in self._counts}
        bad = sum(count.values())
        raise DeviceFault(
            f"{bad:,} of {self._weights:,} devices ({bad / self._weights:.2%}) are bad: {count[Health.OPEN]:,} open, "
            f"{count[Health.SHORT]:,} short; health.largest_bad_share allows {self._largest_bad_share:.2%}: look at "
            "the array's contacts, calibrate again, or raise the setting"
        )
