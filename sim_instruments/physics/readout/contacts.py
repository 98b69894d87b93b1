"""The read contacts of a sample's devices: what a meter finds there at a given time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.readout.flicker import FlickerNoise
from sim_instruments.physics.readout.load import Junctions, Load, Ohmic
from sim_instruments.physics.readout.parameters import Electrical
from sim_instruments.physics.readout.telegraph import TelegraphNoise
from sim_instruments.physics.readout.wall_profile import high_share

_PURPOSE: Final = int.from_bytes(b"read", "big")
"""Keeps these random numbers apart from those of the instruments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """When readings are taken: each averages over a window, in virtual time."""

    start_s: float
    """Start of the first."""
    period_s: float
    """From the start of one to that of the next."""
    window_s: float
    """Length of each."""
    count: int
    """How many."""


@final
class Contacts:
    """Every device's read path. Devices that a meter never looks at cost nothing.

    1/f and telegraph noise go on in virtual time between readings, whoever takes them: a series of readings has their
    spectrum. With each power-on they start afresh.

    Args:
        electrical: what the devices are.
        position: of the walls, fraction of the track, shape (devices,); looked at, never written.
        key: what the random numbers are made from.
    """

    def __init__(self, electrical: Electrical, position: NDArray[np.float32], key: Sequence[int]) -> None:
        self._electrical = electrical
        self._position = position
        self._key = (*key, _PURPOSE)
        self._noise = np.random.default_rng(self._key)
        self._fluctuations: dict[int, _Fluctuation] = {}

    @property
    def temperature_k(self) -> float | None:
        """Return the temperature of the devices' thermal and shot noise; None: they have none."""
        return self._electrical.temperature_k

    @property
    def noise(self) -> np.random.Generator:
        """Return the source of the devices' white noise."""
        return self._noise

    def conductance_s(self, device: int) -> float:
        """Return what a device conducts at a small voltage, without noise, siemens."""
        electrical = self._electrical
        if electrical.is_ohmic:
            low, high = electrical.conductance_low_s, electrical.conductance_high_s
            # Scripts measure one device in loops.
            share = self._shares((device,))[0] if electrical.wall_width_share else self._position[device]
            return low + (high - low) * float(share)
        return float(electrical.junction.conductance_s(self._shares((device,)))[0])

    def load(self, devices: Sequence[int], windows: Windows | None = None, *, shunt_s: float = 0.0) -> Load:
        """Return what these devices are side by side.

        Args:
            devices: which; none is an open circuit.
            windows: the readings that are taken of it, during which it fluctuates; None: it does not.
            shunt_s: an ordinary conductance beside them, siemens.
        """
        electrical = self._electrical
        if not devices:
            return Ohmic(shunt_s)
        if windows is None or not electrical.fluctuates:
            if electrical.is_ohmic:
                return Ohmic(math.fsum((shunt_s, *(self.conductance_s(device) for device in devices))))
            scale = np.ones((1, len(devices)))
        else:
            scale = self._scale(devices, windows)
        if electrical.is_ohmic:
            each_s = np.array([self.conductance_s(device) for device in devices])
            return Ohmic((scale * each_s).sum(axis=1) + shunt_s)
        shares = self._shares(devices)
        return Junctions(junction=electrical.junction, high_share=shares, scale=scale, shunt_s=shunt_s)

    def _shares(self, devices: Sequence[int]) -> NDArray[np.float64]:
        return high_share(self._position[list(devices)], self._electrical.wall_width_share)

    def _scale(self, devices: Sequence[int], windows: Windows) -> NDArray[np.float64]:
        for device in devices:
            if device not in self._fluctuations:
                noise = np.random.default_rng((*self._key, device))
                self._fluctuations[device] = _Fluctuation(self._electrical, noise, windows.start_s)
        # Large jumps on top of large 1/f noise must not turn a conductance round.
        return np.maximum(1 + np.stack([self._fluctuations[device].over(windows) for device in devices], axis=1), 0.0)


@final
class _Fluctuation:
    """The relative fluctuation of one device's conductance."""

    def __init__(self, electrical: Electrical, noise: np.random.Generator, now_s: float) -> None:
        self._flicker = None if electrical.flicker is None else FlickerNoise(electrical.flicker, 1, noise)
        self._telegraph = None if electrical.telegraph is None else TelegraphNoise(electrical.telegraph, noise)
        self._now_s = now_s

    def over(self, windows: Windows) -> NDArray[np.float64]:
        """Return the mean in each window, shape (readings,)."""
        means = np.zeros(windows.count)
        for reading in range(windows.count):
            start_s = windows.start_s + reading * windows.period_s
            gap_s = start_s - self._now_s
            if self._flicker is not None:
                means[reading] += self._flicker.read(gap_s, windows.window_s)[0]
            if self._telegraph is not None:
                means[reading] += self._telegraph.read(gap_s, windows.window_s)
            self._now_s = start_s + windows.window_s
        return means
