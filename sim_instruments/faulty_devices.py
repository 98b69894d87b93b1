"""Devices that do not do what the others do, drawn by the sample's seed or named one by one.

    stuck    the wall stays where it is, whatever arrives
    open     the read path is interrupted: a meter sees next to nothing; the write line, and so the wall, still works
    short    the read path is bridged
    weak     the wall makes a part of each way only, the share `weak_gain`

Each kind may begin at a virtual time of its own. Pulses at faulty devices take time and energy and are in the ledger
like any others. Faults lie over the healthy sample as short lists of devices, so they cost in proportion to their
number.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Final, final

import numba as nb
import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from sim_instruments.clock import VirtualClock
from sim_instruments.physics.philox import BLOCK, fill_words
from sim_instruments.physics.quantity import NonNegative, Positive, Share
from sim_instruments.physics.readout.parameters import Converter
from sim_instruments.physics.stream import normal_pair

_DRAW_PURPOSE = 20
_READ_PURPOSE = 21

_KINDS: Final = ("stuck", "open", "short", "weak")

_Devices = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Which devices have a fault, and since when."""

    share: Share = 0.0
    """Probability of each device to have it. One device has one fault at most."""
    devices: tuple[Annotated[int, Ge(0)], ...] = ()
    """Devices that have it besides, and no other fault."""
    from_time_s: NonNegative = 0.0
    """Virtual time at which it begins, seconds."""


_NONE: Final = Affected()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultParameters:
    """`[sample.faults]`: what is wrong with some of the devices."""

    stuck: Affected = _NONE
    open: Affected = _NONE
    short: Affected = _NONE
    weak: Affected = _NONE
    open_conductance_s: NonNegative = 0.0
    """What a meter and the array's read-out see of an open device, siemens."""
    short_conductance_s: Positive = 0.1
    """The same of a short one."""
    weak_gain: Share = 0.25
    """Part of every displacement by pulses that a weak wall makes."""

    def __post_init__(self) -> None:
        if sum(affected.share for affected in self.each()) > 1:
            raise ValueError("stuck.share, open.share, short.share and weak.share add up to more than 1: lower them")
        named = sorted(device for affected in self.each() for device in affected.devices)
        for one, other in itertools.pairwise(named):
            if one == other:
                raise ValueError(f"device {one} is named twice among the faults: a device has one fault at most")

    def each(self) -> tuple[Affected, ...]:
        """Return who is affected, in the order stuck, open, short, weak."""
        return self.stuck, self.open, self.short, self.weak

    def check(self, count: int) -> None:
        """Refuse devices that a sample of this size does not have.

        Raises:
            ValueError: naming the device.
        """
        for kind, affected in zip(_KINDS, self.each(), strict=True):
            if affected.devices and max(affected.devices) >= count:
                raise ValueError(
                    f"faults.{kind}.devices: there is no device {max(affected.devices)} in a sample of {count}"
                )


@final
class FaultyDevices:
    """The faulty devices of one sample.

    Args:
        parameters: what is wrong.
        count: devices of the sample.
        seed: of the sample.
        clock: of the sample.
    """

    def __init__(self, parameters: FaultParameters, count: int, seed: int, clock: VirtualClock) -> None:
        self._parameters = parameters
        self._seed = seed
        self._clock = clock
        self._devices = _find(parameters, count, seed)
        self._has_any = any(len(devices) for devices in self._devices.values())

    @property
    def stuck(self) -> _Devices:
        """Return the devices that are stuck now, in rising order."""
        return self._now("stuck")

    @property
    def open(self) -> _Devices:
        """Return the devices that are open now, in rising order."""
        return self._now("open")

    @property
    def short(self) -> _Devices:
        """Return the devices that are short now, in rising order."""
        return self._now("short")

    @property
    def weak(self) -> _Devices:
        """Return the devices that are weak now, in rising order."""
        return self._now("weak")

    @contextmanager
    def holding(self, position: NDArray[np.float32]) -> Iterator[None]:
        """Undo what happens inside to stuck walls."""
        stuck = self.stuck if self._has_any else None
        if stuck is None or not len(stuck):
            yield
            return
        before = position[stuck]
        try:
            yield
        finally:
            position[stuck] = before

    @contextmanager
    def hampering(self, position: NDArray[np.float32]) -> Iterator[None]:
        """Undo what pulses do inside to stuck walls, and all but a share of what they do to weak ones."""
        weak = self.weak if self._has_any else None
        with self.holding(position):
            if weak is None or not len(weak):
                yield
                return
            before = position[weak]
            try:
                yield
            finally:
                position[weak] = before + np.float32(self._parameters.weak_gain) * (position[weak] - before)

    def conductance_s(self, device: int) -> float | None:
        """Return what a meter sees of one device without noise, siemens; None if its read path is whole."""
        if self._has_any:
            for devices, conductance_s in self._bad_paths():
                place = int(np.searchsorted(devices, device))
                if place < len(devices) and devices[place] == device:
                    return conductance_s
        return None

    def spoil_range(self, first: int, codes: NDArray[np.uint16], converter: Converter, event: int) -> None:
        """Overwrite the codes of open and short devices in a read-out of the devices from `first` on.

        Args:
            first: device of `codes[0]`.
            codes: the read-out.
            converter: what made it.
            event: the read-out's, keys the noise.
        """
        if self._has_any:
            for devices, conductance_s in self._bad_paths():
                low, high = np.searchsorted(devices, (first, first + len(codes)))
                there = devices[low:high]
                self._overwrite(codes, there.astype(np.int64) - first, there, conductance_s, converter, event)

    def spoil_selected(self, devices: _Devices, codes: NDArray[np.uint16], converter: Converter, event: int) -> None:
        """Overwrite the codes of open and short devices in a read-out of these devices: see `spoil_range`."""
        if self._has_any:
            for bad, conductance_s in self._bad_paths():
                places = np.flatnonzero(np.isin(devices, bad))
                self._overwrite(codes, places, devices[places], conductance_s, converter, event)

    def _overwrite(
        self,
        codes: NDArray[np.uint16],
        places: NDArray[np.int64],
        devices: _Devices,
        conductance_s: float,
        converter: Converter,
        event: int,
    ) -> None:
        lsb_s = converter.code_lsb_s
        mean, noise = (conductance_s - converter.code_offset_s) / lsb_s, converter.conductance_noise_s / lsb_s
        _write_codes(codes, places, devices, mean, noise, event, self._seed)

    def _bad_paths(self) -> tuple[tuple[_Devices, float], ...]:
        p = self._parameters
        return (self.open, p.open_conductance_s), (self.short, p.short_conductance_s)

    def _now(self, kind: str) -> _Devices:
        affected: Affected = getattr(self._parameters, kind)
        return self._devices[kind] if self._clock.now_s >= affected.from_time_s else self._devices[kind][:0]


def _find(parameters: FaultParameters, count: int, seed: int) -> dict[str, _Devices]:
    """Return the devices of each kind, whether its time has come or not."""
    everybody = parameters.each()
    shares = np.array([affected.share for affected in everybody])
    if not shares.any():
        return {kind: _sorted(affected.devices) for kind, affected in zip(_KINDS, everybody, strict=True)}
    kinds = np.empty(count, np.uint8)
    _draw(kinds, np.round(np.cumsum(shares) * 2.0**32).astype(np.uint64), seed)
    for number, affected in enumerate(everybody):
        kinds[list(affected.devices)] = number
    return {kind: np.flatnonzero(kinds == number).astype(np.uint32) for number, kind in enumerate(_KINDS)}


def _sorted(devices: tuple[int, ...]) -> _Devices:
    return np.sort(np.array(devices, np.uint32))


@nb.njit(parallel=True, cache=True)
def _draw(kinds: np.ndarray, bounds: np.ndarray, seed: int) -> None:
    """Write the number of each device's kind, `len(bounds)` for a healthy one."""
    count = kinds.shape[0]
    for block in nb.prange((count + BLOCK - 1) // BLOCK):
        words = np.empty((4, BLOCK // 4), np.uint32)
        fill_words(words, block, 0, _DRAW_PURPOSE, seed)
        flat = words.ravel()
        for i in range(min(BLOCK, count - block * BLOCK)):
            kind = 0
            for bound in bounds:
                kind += 1 if np.uint64(flat[i]) >= bound else 0
            kinds[block * BLOCK + i] = kind


@nb.njit(parallel=True, cache=True)
def _write_codes(codes, places, devices, mean, noise, event, seed):
    for index in nb.prange(places.shape[0]):
        z, _ = normal_pair(0, int(devices[index]), event, _READ_PURPOSE, seed)
        codes[places[index]] = np.uint16(int(min(65535.0, max(0.0, mean + noise * z + 0.5))))
