"""Memories of the 81160A twin: arbitrary waveforms by name, and the one pattern.

A symbol of a pattern lasts one period. With three levels, 0 is LOW, 1 is HIGH and 2 is electrical idle, the offset
between them; with two, 0 is LOW and 1 is HIGH; with four, they are even steps from LOW to HIGH.
"""

from collections.abc import Callable
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.arb_parameter import LONGEST_LIST, Sample, WaveformName, samples_of
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Block, Choice, Integer, Real
from sim_instruments.scpi_setting import setting, switch_setting
from sim_instruments.scpi_tree import Command

LONGEST_PATTERN: Final = {2: 4_194_304, 3: 2_097_152, 4: 2_097_152}
"""Symbols that a pattern of so many levels may have on a one-channel instrument."""

_BUILT_IN: Final = ("EXP_RISE", "EXP_FALL", "NEG_RAMP", "SINC", "CARDIAC")
_SLOTS: Final = 4  # waveforms that are kept
_POINTS: Final = range(1, 262_145)
_FULL_SCALE: Final = 8191

_NAME = WaveformName(longest=12)
_SAMPLE = Sample(Real(low=-_FULL_SCALE, high=_FULL_SCALE, default=0))
_SHARES: Final = {
    2: np.array([-1.0, 1.0]),
    3: np.array([-1.0, 1.0, 0.0]),
    4: np.array([-1.0, -1 / 3, 1 / 3, 1.0]),
}


@final
class WaveformMemory:
    """Arbitrary waveforms: a volatile one and a few that are kept. *RST leaves them alone."""

    def __init__(self) -> None:
        self._waveforms: dict[str, NDArray[np.float64]] = {}
        self._swapped = False
        self.selected = "EXP_RISE"

    def reset(self) -> None:
        """Return to the settings after *RST: the waveforms stay."""
        self.selected = "EXP_RISE"
        self._swapped = False

    @property
    def samples(self) -> NDArray[np.float64] | None:
        """Samples of the selected waveform between -1 and +1; None for a built-in one, whose shape is not modelled."""
        return self._waveforms.get(self.selected)

    def commands(self) -> tuple[Command, ...]:
        """Return the commands."""
        return (
            *setting(
                ":FORMat:BORDer",
                Choice(("NORMal", "SWAPped")),
                lambda: "SWAP" if self._swapped else "NORM",
                self._set_order,
            ),
            Command(":DATA#:DAC", self._load, (_NAME, *([_SAMPLE] * LONGEST_LIST)), optional=LONGEST_LIST - 1),
            Command(":DATA#:COPY", self._copy, (_NAME, _NAME), optional=1),
            Command(":DATA#:DELete[:NAME]", self._delete, (_NAME,)),
            Command(":DATA#:DELete:ALL", self._delete_all),
            Command(":DATA#:CATalog?", lambda: self._listed((*_BUILT_IN, *self._waveforms))),
            Command(":DATA#:NVOLatile:CATalog?", lambda: self._listed(self._kept())),
            Command(":DATA#:NVOLatile:FREE?", lambda: str(_SLOTS - len(self._kept()))),
            *setting(":FUNCtion#:USER", _NAME, lambda: self.selected, self._select),
        )

    def _set_order(self, order: str) -> None:
        self._swapped = order == "SWAP"

    def _kept(self) -> list[str]:
        return [name for name in self._waveforms if name != "VOLATILE"]

    @staticmethod
    def _listed(names: tuple[str, ...] | list[str]) -> str:
        return ",".join(f'"{name}"' for name in names) or '""'

    def _load(self, name: str, *values: float | memoryview) -> None:
        if name.upper() != "VOLATILE":
            raise ScpiError(-224, f"{name} is not VOLATILE")
        samples = samples_of(values, "<i2" if self._swapped else ">i2", _FULL_SCALE)
        if len(samples) not in _POINTS:
            raise ScpiError(-223, f"{len(samples)} points")
        self._waveforms["VOLATILE"] = samples

    def _copy(self, target: str, source: str = "VOLATILE") -> None:
        target = target.upper()
        if source.upper() != "VOLATILE":
            raise ScpiError(784, text="Name of source arb waveform for copy must be VOLATILE")
        if target == "VOLATILE":
            raise ScpiError(787, text="Cannot copy to VOLATILE arb waveform")
        if target in _BUILT_IN:
            raise ScpiError(782, text="Cannot overwrite a built-in waveform")
        if "VOLATILE" not in self._waveforms:
            raise ScpiError(780, text="VOLATILE arb waveform has not been loaded")
        if target not in self._waveforms and len(self._kept()) >= _SLOTS:
            raise ScpiError(781, text="Not enough memory to store new arb waveform; use DATA:DELETE")
        self._waveforms[target] = self._waveforms["VOLATILE"]

    def _delete(self, name: str) -> None:
        name = name.upper()
        if name in _BUILT_IN:
            raise ScpiError(786, text="Cannot delete a built-in arb waveform")
        if name not in self._waveforms:
            raise ScpiError(785, text="Specified arb waveform does not exist")
        if name == self.selected:
            raise ScpiError(788, text="Cannot delete the currently selected active arb waveform")
        del self._waveforms[name]

    def _delete_all(self) -> None:
        if self.selected in self._waveforms:
            raise ScpiError(788, text="Cannot delete the currently selected active arb waveform")
        self._waveforms.clear()

    def _select(self, name: str) -> None:
        name = name.upper()
        if name not in _BUILT_IN and name not in self._waveforms:
            raise ScpiError(785, text="Specified arb waveform does not exist")
        self.selected = name


@final
class PatternMemory:
    """The pattern of one channel."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Return to the settings after *RST."""
        self.is_on = False
        self._symbols = np.zeros(16, np.uint8)
        self._levels = 2
        self._next_levels = 2
        self._bits = 1

    @property
    def shares(self) -> NDArray[np.float64]:
        """Levels of the pattern's symbols between -1 (LOW) and +1 (HIGH), in order."""
        return _SHARES[self._levels][self._symbols]

    def commands(self, switch: Callable[[bool], None]) -> tuple[Command, ...]:
        """Return the commands.

        Args:
            switch: Called with whether patterns are to go out instead of the shape.
        """
        header = ":DIGital#[:STIMulus][:PATTern]"
        return (
            *switch_setting(f"{header}[:STATe]", lambda: self.is_on, switch),
            Command(
                f"{header}:FORMat[:DATA]", self._set_format, (Choice(("PACKed",)), Integer(low=1, high=8)), optional=1
            ),
            Command(f"{header}:FORMat[:DATA]?", lambda: f"PACK,{self._bits}"),
            # The query tells of the pattern there is, the command of the next one.
            *setting(f"{header}:NLEVels", Integer(low=2, high=4), lambda: str(self._levels), self._set_levels),
            Command(f"{header}:DATA", self._load, (Block(),)),
            Command(f"{header}:DATA?", self._packed),
        )

    def _set_levels(self, levels: int) -> None:
        self._next_levels = levels

    def _set_format(self, _packed: str, bits: int = 1) -> None:
        if bits not in (1, 4, 8):
            raise ScpiError(-224, f"PACKed,{bits}")
        self._bits = bits

    def _load(self, block: memoryview) -> None:
        levels = self._next_levels
        symbols = _unpacked(np.frombuffer(block, np.uint8), self._bits, width=1 if levels == 2 else 2)
        if not len(symbols):
            raise ScpiError(-161, "an empty pattern")
        if len(symbols) > LONGEST_PATTERN[levels]:
            raise ScpiError(-223, f"{len(symbols)} symbols")
        if int(symbols.max()) >= levels:
            raise ScpiError(-224, f"a symbol is not within 0 to {levels - 1}")
        self._symbols, self._levels = symbols, levels

    def _packed(self) -> NDArray[np.uint8]:
        width = 1 if self._levels == 2 else 2
        if self._bits == 1:
            return self._symbols + np.uint8(ord("0"))
        bits = np.unpackbits(self._symbols[:, None], axis=1)[:, -width:].ravel()
        digits = np.packbits(np.pad(bits, (0, -len(bits) % 8)))
        if self._bits == 8:
            return digits
        return np.frombuffer(digits.tobytes().hex().upper().encode("ascii"), np.uint8)[: -(-len(bits) // 4)]


def _unpacked(data: NDArray[np.uint8], packing: int, *, width: int) -> NDArray[np.uint8]:
    """Return the symbols in a block; the first is in the highest bits of the first byte."""
    if packing == 1:
        # "Only the least significant bits" count, so that the bytes 0 and 1 do as well as the digits.
        return data & np.uint8((1 << width) - 1)
    if packing == 4:
        try:
            text = data.tobytes().decode("ascii")
            nibbles = np.array([int(digit, 16) for digit in text], np.uint8)
        except ValueError as error:
            raise ScpiError(-161, "expected hexadecimal digits") from error
        bits = np.unpackbits(nibbles[:, None], axis=1)[:, 4:].ravel()
    else:
        bits = np.unpackbits(data)
    return np.packbits(bits.reshape(-1, width), axis=1, bitorder="big").ravel() >> np.uint8(8 - width)
