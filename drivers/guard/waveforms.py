"""Waveforms and sequences in a generator's memory: how far they go, how long, and what they put into a device.

Samples are shares of the level: +1 is HIGH and -1 is LOW, which the guard demands to be opposite, so that 0 is 0 V.
"""

import csv
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from drivers.errors import LimitError
from drivers.guard.message import Parameter, Quoted
from drivers.guard.number import number
from drivers.guard.pulses import BurstLimits
from drivers.guard.rule import Call, known
from drivers.guard.state import State

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,63}")
_FIELDS: Final = 5
_FACTS: Final = ("largest", "smallest", "longest", "shortest", "squares", "first", "last", "waits")
_REMEDY = "load it anew and read the error queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waveform:
    """What the guard keeps of a waveform or a sequence."""

    largest: float
    """Largest magnitude, as a share of the level."""
    smallest: float
    """Smallest magnitude that drives; 0 if nothing does."""
    longest: float
    """Most equal driving samples in a row."""
    shortest: float
    """Fewest of them."""
    squares: float
    """Sum of the squared shares of one pass, or of all that one trigger plays of a sequence."""
    first: float
    """Magnitude of the first sample, where the output rests."""
    last: float
    """Magnitude of the last."""
    waits: float = 0.0
    """1 for a sequence that waits for a trigger before its first step that drives."""

    def tell(self, state: State, name: str) -> None:
        """Note it under its name."""
        for fact in _FACTS:
            state.tell(f"arb:{name}:{fact}", getattr(self, fact))


def waveform_of(samples: NDArray[np.float64]) -> Waveform:
    """Return the facts of a waveform that may be followed by itself."""
    drives = samples != 0
    magnitudes = np.abs(samples)
    changes = np.flatnonzero(np.diff(samples)) + 1
    starts = np.concatenate(([0], changes))
    lengths = np.diff(np.append(starts, len(samples)))[drives[starts]]
    longest = int(lengths.max(initial=0))
    if drives[0] and drives[-1]:
        # The end and the next beginning make one pulse.
        longest = len(samples) if drives.all() else longest + int(lengths[0])
    return Waveform(
        largest=float(magnitudes.max(initial=0)),
        smallest=float(magnitudes[drives].min()) if drives.any() else 0.0,
        longest=float(longest),
        shortest=float(lengths.min(initial=len(samples))),
        squares=float(np.sum(samples**2)),
        first=float(magnitudes[0]),
        last=float(magnitudes[-1]),
    )


def name_of(parameter: Parameter, what: str) -> str:
    """Return the name of a waveform, upper case."""
    text = parameter.text if isinstance(parameter, Quoted) else parameter
    if not isinstance(text, str) or _NAME.fullmatch(text) is None:
        raise LimitError(f"{what}: only waveforms of the volatile memory are allowed, by their names")
    return text.upper()


def load(state: State, call: Call, *, block: DTypeLike, full_scale: float) -> None:
    """Note a waveform that a command loads: a name, then a block or numbers."""
    if len(call.parameters) < 2:
        raise LimitError(f"{call.header} takes a name and samples")
    name, first = name_of(call.parameters[0], call.header), call.parameters[1]
    if isinstance(first, memoryview):
        if len(call.parameters) > 2 or not len(first) or len(first) % np.dtype(block).itemsize:
            raise LimitError(f"{call.header}: the block is not whole samples")
        samples = np.frombuffer(first, block).astype(np.float64)
    else:
        samples = np.array([number(parameter, "", "a sample") for parameter in call.parameters[1:]], np.float64)
    # Written so that NaN fails too.
    if not np.all(np.abs(samples) <= full_scale):
        raise LimitError(f"{call.header}: a sample is above full scale, {full_scale:g}")
    waveform_of(samples / full_scale).tell(state, name)


def load_sequence(state: State, call: Call) -> None:
    """Note a sequence: it must end or wait by itself, and repeat without end only what is at rest."""
    block = call.only()
    if not isinstance(block, memoryview):
        raise LimitError(f"{call.header} takes its steps as a block")
    try:
        (row,) = csv.reader([bytes(block).decode("ascii")], skipinitialspace=True)
    except (UnicodeDecodeError, ValueError, csv.Error) as error:
        raise LimitError(f"{call.header}: the steps cannot be read") from error
    name, *fields = (field.strip() for field in row)
    if not fields or len(fields) % _FIELDS:
        raise LimitError(f"{call.header}: a step has {_FIELDS} fields")
    steps = [fields[start : start + 3] for start in range(0, len(fields), _FIELDS)]
    parts = [_step(state, *step) for step in steps]
    drives = [part for _, part in parts if part.largest > 0]
    waits = [
        control in ("repeattiltrig", "oncewaittrig") for _, _, control in ((s[0], s[1], s[2].lower()) for s in steps)
    ]
    if not any(waits):
        raise LimitError(f"{call.header}: the sequence never waits for a trigger, so it has no end")
    Waveform(
        largest=max((part.largest for part in drives), default=0.0),
        smallest=min((part.smallest for part in drives), default=0.0),
        longest=max((part.longest for part in drives), default=0.0),
        shortest=min((part.shortest for part in drives), default=0.0),
        squares=sum(repeats * part.squares for repeats, part in parts),
        first=parts[0][1].first,
        last=parts[-1][1].last,
        waits=float(steps[0][2].lower() == "repeattiltrig"),
    ).tell(state, name_of(Quoted(name), call.header))


def _step(state: State, waveform: str, repeats: str, control: str) -> tuple[int, Waveform]:
    name, control = name_of(Quoted(waveform), "a step"), control.lower()
    facts = {fact: state.told(f"arb:{name}:{fact}") for fact in _FACTS}
    if not all(isinstance(value, float) for value in facts.values()):
        raise LimitError(f"the guard does not know the waveform {name} of the sequence: {_REMEDY}")
    part = Waveform(**{fact: float(value) for fact, value in facts.items() if value is not None})
    if control not in ("once", "oncewaittrig", "repeat", "repeattiltrig") or not repeats.isdigit():
        raise LimitError(f"a step with {repeats!r}, {control!r} cannot be checked or has no end")
    if control == "repeattiltrig" and part.largest > 0:
        raise LimitError(f"the sequence would repeat {name}, which is not at rest, until a trigger: without end")
    if part.last > 0:
        raise LimitError(f"{name} does not end at 0 V: in a sequence it would join the next step")
    return (int(repeats) if control == "repeat" else 1), part


def check_rest(state: State, name: str, *, burst_is_on: bool, largest_v: float, tolerance_v: float) -> None:
    """Raise `LimitError` unless a waveform waits at 0 V for a trigger when the output goes on."""
    _, first = known(state, f"arb:{name}:first", f"waveform {name}", _REMEDY)
    if first * largest_v > tolerance_v:
        raise LimitError(
            f"the output would rest at the first sample of {name}, {first * largest_v:.4g} V: begin it with 0"
        )
    waits, _ = known(state, f"arb:{name}:waits", f"waveform {name}", _REMEDY)
    if not burst_is_on and waits != 1.0:
        raise LimitError(f"without burst mode {name} would be repeated without end: switch bursts on first")


def check_waveform(
    state: State,
    name: str,
    limits: BurstLimits,
    *,
    passes: float,
    interval_s: tuple[float, float],
    level_v: tuple[float, float],
) -> None:
    """Raise `LimitError` unless what one trigger plays is within the limits.

    Args:
        state: what is known.
        name: the waveform or sequence.
        limits: what it is checked against.
        passes: how often it is played.
        interval_s: shortest and longest time of a sample, seconds.
        level_v: smallest and largest level that a sample of 1 may be, volts.
    """
    what = f"waveform {name}"
    _, largest = known(state, f"arb:{name}:largest", what, _REMEDY)
    if largest == 0:
        return
    smallest, _ = known(state, f"arb:{name}:smallest", what, _REMEDY)
    _, longest = known(state, f"arb:{name}:longest", what, _REMEDY)
    shortest, _ = known(state, f"arb:{name}:shortest", what, _REMEDY)
    _, squares = known(state, f"arb:{name}:squares", what, _REMEDY)
    # Rounding to the steps of a converter may take something from a level.
    limits.check_amplitudes(smallest * level_v[0], largest * level_v[1], 1e-4)
    for width_s in (shortest * interval_s[0], longest * interval_s[1]):
        # What floating point makes of a sum of samples is no violation.
        if not limits.width.low / (1 + 1e-9) <= width_s <= limits.width.high * (1 + 1e-9):
            limits.width.check(width_s)
    limits.check_burst(passes * squares, interval_s[1], level_v[1])
