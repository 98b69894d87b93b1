"""Twin of the DWA array controller, written from docs/array-controller.md.

It addresses every device of the sample. Blocks become arrays in one step; nothing here looks at single devices.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.instrument import Traits
from sim_instruments.physics.walls import Drive
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Block, Integer, Real
from sim_instruments.scpi_setting import real_setting, switch_setting
from sim_instruments.scpi_tree import Command
from sim_instruments.status import Status

MODEL: Final = "dwa-1"

Counts = NDArray[np.uint8]
Devices = NDArray[np.uint32]

_AMPLITUDE = Real(unit="V", low=0.1, high=5.0, default=1.0)
_WIDTH = Real(unit="S", low=1e-9, high=10e-6, default=100e-9)
_TAG = Integer(low=1, high=2**63 - 1)
_WHOLE = Integer(low=0, high=2**63 - 1)


def _none() -> Devices:
    return np.empty(0, np.uint32)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """Settings as *RST leaves them."""

    push_amplitude_v: float = 1.0
    push_width_s: float = 100e-9
    pull_amplitude_v: float = 1.0
    pull_width_s: float = 100e-9
    output: bool = False
    selection: Devices = field(default_factory=_none)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """What the next INITiate would fire: counts for a range, or for the selection if `first` is None."""

    first: int | None = None
    push: Counts | None = None
    pull: Counts | None = None
    tag: int | None = None

    @property
    def is_empty(self) -> bool:
        return self.push is None and self.pull is None


@dataclass(frozen=True, slots=True)
class _Fired:
    """The last pattern fired."""

    tag: int = 0
    push_pulses: int = 0
    pull_pulses: int = 0


@final
class Dwa:
    """Counts in, conductance codes out."""

    def __init__(self, place: Place) -> None:
        self._serial = place.serial
        self._sample = place.sample
        self._settings = _Settings()
        self._pattern = _Pattern()
        self._record = place.sample.memory.controller(place.serial)
        self._fired = _Fired(*(int(self._record[name][0]) for name in ("tag", "push_pulses", "pull_pulses")))
        self._push_pulses = 0
        self._pull_pulses = 0
        self._energy_j = 0.0

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        return Traits(identity=f"domainwall-hil,DWA-1,{self._serial},1.0", error_queue_depth=20)

    def commands(self, _status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        return (*self._array(), *self._pulses(), *self._patterns(), *self._reading(), *self._totals())

    def reset(self) -> None:
        """Output off, default pulses, no pattern, no selection; walls and the last tag stay."""
        self._settings = _Settings()
        self._pattern = _Pattern()

    def trigger(self) -> None:
        """Refuse: patterns are fired by INITiate alone."""
        raise ScpiError(-211, "use INITiate")

    def _array(self) -> tuple[Command, ...]:
        return (
            Command("ARRay:SIZE?", lambda: str(self._sample.device_count)),
            Command("ARRay:SELect", self._select, (Block(),)),
            Command("ARRay:SELect:COUNt?", lambda: str(len(self._settings.selection))),
        )

    def _pulses(self) -> tuple[Command, ...]:
        now, change = lambda: self._settings, self._change
        return (
            *real_setting(
                "PULSe:PUSH:AMPLitude", _AMPLITUDE, lambda: now().push_amplitude_v, lambda v: change(push_amplitude_v=v)
            ),
            *real_setting("PULSe:PUSH:WIDTh", _WIDTH, lambda: now().push_width_s, lambda s: change(push_width_s=s)),
            *real_setting(
                "PULSe:PULL:AMPLitude", _AMPLITUDE, lambda: now().pull_amplitude_v, lambda v: change(pull_amplitude_v=v)
            ),
            *real_setting("PULSe:PULL:WIDTh", _WIDTH, lambda: now().pull_width_s, lambda s: change(pull_width_s=s)),
            *switch_setting("OUTPut", lambda: now().output, lambda is_on: change(output=is_on)),
        )

    def _patterns(self) -> tuple[Command, ...]:
        return (
            Command("PATTern:CLEar", self._clear),
            Command("PATTern:PUSH", lambda first, block: self._load(first, push=_counts(block)), (_WHOLE, Block())),
            Command("PATTern:PULL", lambda first, block: self._load(first, pull=_counts(block)), (_WHOLE, Block())),
            Command("PATTern:SELect:PUSH", lambda block: self._load(None, push=_counts(block)), (Block(),)),
            Command("PATTern:SELect:PULL", lambda block: self._load(None, pull=_counts(block)), (Block(),)),
            Command("PATTern:TAG", self._set_tag, (_TAG,)),
            Command("PATTern:TAG?", lambda: str(self._fired.tag)),
            Command("INITiate[:IMMediate]", self._fire),
        )

    def _reading(self) -> tuple[Command, ...]:
        sample = self._sample
        return (
            Command("READ:CONDuctance?", self._read, (_WHOLE, _WHOLE)),
            Command("READ:CONDuctance:SELect?", self._read_selected),
            Command("READ:CONDuctance:SCALe?", lambda: f"{sample.code_offset_s!r},{sample.code_lsb_s!r}"),
        )

    def _totals(self) -> tuple[Command, ...]:
        return (
            Command(
                "PATTern:DELivered?",
                lambda: f"{self._fired.tag},{self._fired.push_pulses},{self._fired.pull_pulses}",
            ),
            Command("STATus:ENERgy?", lambda: repr(self._energy_j)),
            Command("STATus:PULSes?", lambda: f"{self._push_pulses},{self._pull_pulses}"),
        )

    def _change(self, **changes: object) -> None:
        self._settings = replace(self._settings, **changes)

    def _clear(self) -> None:
        self._pattern = _Pattern()

    def _select(self, block: memoryview) -> None:
        if len(block) % 4:
            raise ScpiError(-161, "a selection is made of uint32 numbers")
        if not self._pattern.is_empty and self._pattern.first is None:
            raise ScpiError(-221, "a pattern for the old selection waits; clear or fire it first")
        chosen = np.frombuffer(block, "<u4").astype(np.uint32)
        if len(chosen) > self._sample.device_count:
            raise ScpiError(-223, "more numbers than devices")
        if chosen.max(initial=0) >= self._sample.device_count:
            raise ScpiError(-222, f"no device {chosen.max()}")
        named = np.zeros(self._sample.device_count, np.bool_)
        named[chosen] = True
        if np.count_nonzero(named) != len(chosen):
            raise ScpiError(-224, "a device is named twice")
        self._change(selection=chosen)

    def _load(self, first: int | None, *, push: Counts | None = None, pull: Counts | None = None) -> None:
        counts = push if push is not None else pull
        if counts is not None:
            self._check_place(first, len(counts))
        other = self._pattern.pull if push is not None else self._pattern.push
        if other is not None and (self._pattern.first != first or counts is None or len(other) != len(counts)):
            raise ScpiError(-221, "push and pull counts name different devices; PATTern:CLEar starts afresh")
        if push is not None:
            self._pattern = replace(self._pattern, first=first, push=push)
        else:
            self._pattern = replace(self._pattern, first=first, pull=pull)

    def _check_place(self, first: int | None, length: int) -> None:
        if length == 0:
            raise ScpiError(-161, "the block is empty")
        if first is None:
            selected = len(self._settings.selection)
            if length != selected:
                code = -223 if length > selected else -221
                raise ScpiError(code, f"{length} counts for a selection of {selected}")
            return
        size = self._sample.device_count
        if first >= size:
            raise ScpiError(-222, f"no device {first}")
        if first + length > size:
            raise ScpiError(-223, f"{length} counts from device {first} leave the array of {size}")

    def _set_tag(self, tag: int) -> None:
        self._check_tag(tag)
        self._pattern = replace(self._pattern, tag=tag)

    def _check_tag(self, tag: int) -> None:
        if tag <= self._fired.tag:
            raise ScpiError(-221, f"tag {tag} is not above {self._fired.tag}, fired last")

    def _fire(self) -> None:
        """Fire the pattern once. Moves walls."""
        pattern, settings = self._pattern, self._settings
        given = next((counts for counts in (pattern.push, pattern.pull) if counts is not None), None)
        if given is None:
            raise ScpiError(-221, "there is no pattern to fire")
        if pattern.tag is None:
            raise ScpiError(-221, "the pattern has no tag")
        if not settings.output:
            raise ScpiError(-221, "the output is off")
        push = pattern.push if pattern.push is not None else _fixed(np.zeros_like(given))
        pull = pattern.pull if pattern.pull is not None else _fixed(np.zeros_like(given))
        # Forgotten before it is delivered: nothing that goes wrong on the way may let it be fired again.
        self._pattern = _Pattern()
        self._note_fired(_Fired(pattern.tag))
        self._deliver(pattern.first, push, pull, pattern.tag)

    def _deliver(self, first: int | None, push: Counts, pull: Counts, tag: int) -> None:
        settings, sample = self._settings, self._sample
        drive = Drive(
            push_amplitude_v=settings.push_amplitude_v,
            push_width_s=settings.push_width_s,
            pull_amplitude_v=settings.pull_amplitude_v,
            pull_width_s=settings.pull_width_s,
        )
        ledger = sample.ledger
        before_j, pushes, pulls = ledger.energy_j, ledger.push_pulses, ledger.pull_pulses
        if first is None:
            sample.pulse_selected(settings.selection, push, pull, drive, source=MODEL, tag=tag)
        else:
            sample.pulse_range(first, push, pull, drive, source=MODEL, tag=tag)
        self._energy_j += ledger.energy_j - before_j
        self._note_fired(_Fired(tag, ledger.push_pulses - pushes, ledger.pull_pulses - pulls))
        self._push_pulses += self._fired.push_pulses
        self._pull_pulses += self._fired.pull_pulses

    def _note_fired(self, fired: _Fired) -> None:
        """Remember the last pattern, past the end of the program too: a tag that was fired stays fired."""
        self._fired = fired
        self._record["push_pulses"], self._record["pull_pulses"] = fired.push_pulses, fired.pull_pulses
        self._record["tag"] = fired.tag

    def _read(self, first: int, count: int) -> NDArray[np.uint16]:
        size = self._sample.device_count
        if count == 0 or first + count > size:
            raise ScpiError(-222, f"{count} devices from {first}, of {size}")
        return self._sample.read_codes(first, count)

    def _read_selected(self) -> NDArray[np.uint16]:
        if not len(self._settings.selection):
            raise ScpiError(-221, "nothing is selected")
        return self._sample.read_codes_selected(self._settings.selection)


def _counts(block: memoryview) -> Counts:
    # Bytes cannot change any more; anything else belongs to the client, who may use its buffer again.
    return _fixed(np.asarray(block) if block.readonly else np.array(block))


def _fixed(counts: Counts) -> Counts:
    """Make an array read-only: the compiled loops then see one kind of array, whoever owns it."""
    counts.flags.writeable = False
    return counts
