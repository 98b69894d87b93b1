"""Waveform memory of the 33500B and 33600A twins: arbitrary waveforms and sequences of them, one memory a channel.

A sequence waits at its steps `repeatTilTrig` and `onceWaitTrig`. A trigger plays what stands between one such step
and the next, and after the last step comes the first again. What `repeatTilTrig` and `repeatInf` repeat without end
is not modelled as a drive.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.arb_parameter import LONGEST_LIST, Sample, WaveformName, samples_of
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Block, Real
from sim_instruments.scpi_setting import setting
from sim_instruments.scpi_tree import Command

BUILT_IN: Final = "INT:\\BUILTIN\\EXP_RISE.ARB"
"""The waveform that is selected after *RST; its shape is not modelled."""

LONGEST_SEQUENCE: Final = 512
"""Steps of a sequence."""

MOST_REPEATS: Final = 1_000_000
"""Repetitions of one step."""

_FULL_SCALE: Final = 32_767
_DIGITS: Final = re.compile(r"[0-9]{1,7}")
_CONTROLS: Final = {
    control.upper(): control for control in ("once", "onceWaitTrig", "repeat", "repeatInf", "repeatTilTrig")
}
_MARKERS: Final = ("MAINTAIN", "LOWATSTART", "HIGHATSTART", "HIGHATSTARTGOLOW")
_FIELDS: Final = 5  # waveform, repetitions, play control, marker mode, marker point

_NAME = WaveformName(longest=64)
_DAC = Sample(Real(low=-_FULL_SCALE, high=_FULL_SCALE, default=0))
_REAL = Sample(Real(low=-1, high=1, default=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a sequence."""

    waveform: str
    """Name of the waveform, upper case."""
    repeats: int
    """How often it is played."""
    control: str
    """What happens then: `once`, `onceWaitTrig`, `repeat`, `repeatInf`, `repeatTilTrig`."""


@final
class ArbMemory:
    """Waveforms and sequences of one channel. *RST leaves them alone.

    Args:
        fewest_points: samples that a waveform must have.
        most_points: samples that the memory holds.
    """

    def __init__(self, *, fewest_points: int, most_points: int) -> None:
        self._fewest, self._most = fewest_points, most_points
        self._waveforms: dict[str, NDArray[np.float64]] = {}
        self._sequences: dict[str, tuple[Step, ...]] = {}
        self._written: dict[str, str] = {}
        self._waiting_at = 0
        self.selected = BUILT_IN
        self.swapped = False

    def reset(self) -> None:
        """Return to the settings after *RST: waveforms and sequences stay."""
        self.selected = BUILT_IN
        self.swapped = False

    @property
    def samples(self) -> NDArray[np.float64] | None:
        """Samples of the selected waveform between -1 and +1; None for a sequence and for a built-in waveform."""
        return self._waveforms.get(self.selected)

    def play(self) -> Iterator[tuple[NDArray[np.float64], int]] | None:
        """Return what a trigger plays of the selected sequence, samples and passes; None if it is no sequence."""
        steps = self._sequences.get(self.selected)
        return None if steps is None else self._from_trigger_to_wait(steps)

    def _from_trigger_to_wait(self, steps: tuple[Step, ...]) -> Iterator[tuple[NDArray[np.float64], int]]:
        if not any(step.control in ("repeatTilTrig", "onceWaitTrig") for step in steps):
            return
        for _ in steps:
            self._waiting_at = (self._waiting_at + 1) % len(steps)
            step = steps[self._waiting_at]
            if step.control in ("repeatTilTrig", "repeatInf"):
                return
            yield self._waveforms[step.waveform], step.repeats if step.control == "repeat" else 1
            if step.control == "onceWaitTrig":
                return

    def commands(self, source: str) -> tuple[Command, ...]:
        """Return the commands; `source` is the header before them, such as `[:SOURce#]`."""
        numbers = LONGEST_LIST - 1
        return (
            Command(f"{source}:DATA:ARBitrary", self._load, (_NAME, *([_REAL] * LONGEST_LIST)), optional=numbers),
            Command(
                f"{source}:DATA:ARBitrary:DAC", self._load_dac, (_NAME, *([_DAC] * LONGEST_LIST)), optional=numbers
            ),
            Command(f"{source}:DATA:SEQuence", self._load_sequence, (Block(),)),
            Command(f"{source}:DATA:VOLatile:CLEar", self._clear),
            Command(f"{source}:DATA:VOLatile:CATalog?", self._catalog),
            Command(f"{source}:DATA:VOLatile:FREE?", lambda: str(self._free)),
            Command(f"{source}:DATA:ATTRibute:POINts?", self._points, (_NAME,), optional=1),
            *setting(f"{source}:FUNCtion:ARBitrary", _NAME, lambda: f'"{self._shown}"', self._select),
        )

    @property
    def _shown(self) -> str:
        return self._written.get(self.selected, self.selected)

    @property
    def _free(self) -> int:
        return self._most - sum(map(len, self._waveforms.values()))

    def _load(self, name: str, *values: float | memoryview) -> None:
        self._store(name, samples_of(values, "<f4" if self.swapped else ">f4", 1.0))

    def _load_dac(self, name: str, *values: float | memoryview) -> None:
        self._store(name, samples_of(values, "<i2" if self.swapped else ">i2", _FULL_SCALE))

    def _store(self, name: str, samples: NDArray[np.float64]) -> None:
        self._refuse_known(name)
        if len(samples) < self._fewest:
            raise ScpiError(-222, f"{len(samples)} points; {self._fewest} are the fewest")
        if len(samples) > self._free:
            raise ScpiError(880, text="Arb: Out of memory")
        self._waveforms[name.upper()] = samples
        self._written[name.upper()] = name

    def _load_sequence(self, block: memoryview) -> None:
        try:
            (row,) = csv.reader([bytes(block).decode("ascii")], skipinitialspace=True)
        except (UnicodeDecodeError, ValueError, csv.Error) as error:
            raise ScpiError(-161, "expected one line of text") from error
        name, *fields = [field.strip() for field in row] or [""]
        if not fields or len(fields) % _FIELDS:
            raise ScpiError(-161, f"expected {_FIELDS} fields for each step")
        if len(fields) // _FIELDS > LONGEST_SEQUENCE:
            raise ScpiError(-223, f"{len(fields) // _FIELDS} steps")
        self._refuse_known(_NAME.parse(name))
        self._sequences[name.upper()] = tuple(
            self._step(*fields[start : start + _FIELDS]) for start in range(0, len(fields), _FIELDS)
        )
        self._written[name.upper()] = name

    def _step(self, waveform: str, repeats: str, control: str, marker: str, point: str) -> Step:
        waveform = waveform.upper()
        if waveform not in self._waveforms:
            raise ScpiError(785, waveform, text="Specified arb waveform does not exist")
        if control.upper() not in _CONTROLS or marker.upper() not in _MARKERS:
            raise ScpiError(-224, f"{control},{marker}")
        if not (_DIGITS.fullmatch(repeats) and _DIGITS.fullmatch(point) and int(repeats) <= MOST_REPEATS):
            raise ScpiError(-222, f"{repeats},{point}")
        return Step(waveform=waveform, repeats=int(repeats), control=_CONTROLS[control.upper()])

    def _refuse_known(self, name: str) -> None:
        if name.upper() in self._written:
            raise ScpiError(786, text="Specified arb waveform already exists")

    def _clear(self) -> None:
        self._waveforms.clear()
        self._sequences.clear()
        self._written.clear()
        self.selected = BUILT_IN

    def _catalog(self) -> str:
        return ",".join(f'"{name}"' for name in (BUILT_IN, *self._written.values()))

    def _points(self, name: str | None = None) -> str:
        samples = self._waveforms.get((name or self.selected).upper())
        if samples is None:
            raise ScpiError(785, text="Specified arb waveform does not exist")
        return str(len(samples))

    def _select(self, name: str) -> None:
        name = name.upper()
        if name != BUILT_IN and name not in self._written:
            raise ScpiError(785, text="Specified arb waveform does not exist")
        self.selected = name
        steps = self._sequences.get(name, ())
        waits = (index for index, step in enumerate(steps) if step.control == "repeatTilTrig")
        # Where a sequence waits for the first trigger; one without such a step has played up to its onceWaitTrig.
        self._waiting_at = next(waits, len(steps) - 1)
