"""The DWA array controller (`docs/array-controller.md`): a whole array programmed and read in a handful of messages."""

import math
import operator
from collections.abc import Callable
from typing import cast, final

import numpy as np
from numpy.typing import NDArray

from drivers import scpi
from drivers.dialect import SCPI
from drivers.entries import ArrayEntry
from drivers.errors import LimitError, SettingsChanged
from drivers.instrument import Kind, Output, OutputState, SafeState, Session, Setting
from drivers.limits import Limit
from drivers.model import Model, narrowed
from drivers.protocols import (
    Codes,
    ConductanceScale,
    Counts,
    Delivery,
    DeviceIndices,
    Identity,
    Polarity,
    Pulse,
)

KIND = Kind(manufacturer=".+", model="DWA-1")
OUTPUT = Output(on="OUTP ON", off="OUTP OFF", query="OUTP?")
SAFE = SafeState(command=OUTPUT.off, query=OUTPUT.query, confirms="0".__eq__)

AMPLITUDE = Limit(quantity="pulse amplitude", low=0.1, high=5.0, unit="V", origin="the DWA dialect")
WIDTH = Limit(quantity="pulse width", low=1e-9, high=1e-5, unit="s", origin="the DWA dialect")

_CODE = np.dtype("<u2")
_INDEX = np.dtype("<u4")
_TOLERANCE = 1e-3

FIRE_TIMEOUT_S = 60.0
"""Time given to a pattern, seconds."""


@final
class Dwa:
    """An array programmer.

    Args:
        session: the identified instrument.
        amplitude: pulse amplitudes allowed.
        width: pulse widths allowed.
        fire_timeout_s: time given to a pattern, seconds.
        guarded: limits that the guard holds on the blocks of counts, to be told with the others.
    """

    def __init__(
        self,
        session: Session,
        *,
        amplitude: Limit,
        width: Limit,
        fire_timeout_s: float = FIRE_TIMEOUT_S,
        guarded: tuple[Limit, ...] = (),
    ) -> None:
        self.session = session
        self._fire_timeout_s = fire_timeout_s
        self._amplitude = amplitude
        self._width = width
        self._guarded = guarded
        self._generation = session.link.generation
        self._confirmed: dict[str, float] = {}
        self._selection: DeviceIndices | None = None
        self._holds_pattern = True
        self._device_count = session.ask("ARR:SIZE?", scpi.parse_integer)
        offset_s, lsb_s = session.ask("READ:COND:SCAL?", lambda reply: scpi.parse_reals(reply, 2))
        self._scale = ConductanceScale(offset_s=offset_s, lsb_s=lsb_s)
        session.read_output(OUTPUT)
        session.remember(())

    @property
    def name(self) -> str:
        """Return the instrument's name in the bench file."""
        return self.session.name

    @property
    def identity(self) -> Identity:
        """Return who the instrument said it is when it was opened."""
        return self.session.identity

    @property
    def device_count(self) -> int:
        """Return the number of devices in the array."""
        return self._device_count

    @property
    def conductance_scale(self) -> ConductanceScale:
        """Return how read-out codes become siemens."""
        return self._scale

    def set_pulses(self, push: Pulse, pull: Pulse) -> None:
        """Set the shapes of the push and the pull pulse, as far as they are not confirmed yet. Fires nothing."""
        if (push.polarity, pull.polarity) != (Polarity.PUSH, Polarity.PULL):
            raise LimitError(f"{self.name}: give a push pulse and a pull pulse, in this order")
        for pulse in (push, pull):
            self._amplitude.check(pulse.amplitude_v)
            self._width.check(pulse.width_s)
        self._forget_if_reconnected()
        wanted = {
            "PULS:PUSH:AMPL": push.amplitude_v,
            "PULS:PUSH:WIDT": push.width_s,
            "PULS:PULL:AMPL": pull.amplitude_v,
            "PULS:PULL:WIDT": pull.width_s,
        }
        changed = {header: value for header, value in wanted.items() if self._confirmed.get(header) != value}
        if changed:
            self._set(changed)
            self.session.remember([Setting(query=f"{header}?", value=value) for header, value in wanted.items()])

    def output_on(self) -> None:
        """Connect the pulse drivers to the array."""
        self.session.output_on(OUTPUT)

    def output_off(self) -> None:
        """Disconnect the pulse drivers from the array."""
        self.make_safe()

    def last_tag(self) -> int:
        """Return the tag of the last pattern fired; the next one must be greater."""
        return self.session.ask("PATT:TAG?", scpi.parse_integer)

    def program(self, first: int, push: Counts, pull: Counts, *, tag: int) -> Delivery:
        """Fire `push[i]` and `pull[i]` pulses at device `first + i`, once. Moves the walls.

        Raises:
            SettingsChanged: if the controller is no longer as it was set up; nothing was fired.
            LinkError: if it is unknown whether the pattern was fired: read the devices, do not fire it again.
            InstrumentError: if something else was delivered.
        """
        first = operator.index(first)
        size = self._check_counts(push, pull)
        self._check_range(first, size)
        sent = _total(tag, push, pull)
        self._begin(sent.tag)
        self.session.link.write_block(f"PATT:PUSH {first},", push)
        self.session.link.write_block(f"PATT:PULL {first},", pull)
        return self._fire(sent, ())

    def program_selected(self, devices: DeviceIndices, push: Counts, pull: Counts, *, tag: int) -> Delivery:
        """Fire `push[i]` and `pull[i]` pulses at device `devices[i]`, once. Moves the walls.

        Raises:
            SettingsChanged: if the controller is no longer as it was set up; nothing was fired.
            LinkError: if it is unknown whether the pattern was fired: read the devices, do not fire it again.
            InstrumentError: if something else was delivered.
        """
        if self._check_counts(push, pull) != self._check_devices(devices):
            raise LimitError(f"{self.name}: {push.size} counts do not fit {devices.size} devices")
        sent = _total(tag, push, pull)
        self._begin(sent.tag)
        self._select(devices)
        self.session.link.write_block("PATT:SEL:PUSH ", push)
        self.session.link.write_block("PATT:SEL:PULL ", pull)
        return self._fire(sent, (Setting(query="ARR:SEL:COUN?", value=devices.size),))

    def read_codes(self, first: int, count: int) -> Codes:
        """Read the conductance codes of `count` devices from `first` on."""
        first, count = operator.index(first), operator.index(count)
        self._check_range(first, count)
        return self._read(f"READ:COND? {first},{count}", count)

    def read_selected(self, devices: DeviceIndices) -> Codes:
        """Read the conductance codes of these devices, in this order."""
        self._check_devices(devices)
        self._forget_if_reconnected()
        self._select(devices)
        return self._read("READ:COND:SEL?", devices.size)

    def energy_j(self) -> float:
        """Return the energy the array has taken in programming pulses since power-on, joules."""
        return self.session.ask("STAT:ENER?", scpi.parse_real)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the limits in force, with their origins."""
        return (self._amplitude, self._width, *self._guarded)

    def self_test(self) -> str:
        """Run the self test and return what it said; raise `InstrumentError` if it failed. Switches nothing on."""
        return self.session.self_test()

    def check_errors(self) -> None:
        """Read the error queue until it is empty; raise `InstrumentError` with every entry if it was not."""
        self.session.check_errors()

    def make_safe(self) -> None:
        """Switch the output off: write first, then read back. Raise `SafeStateError` if that cannot be confirmed."""
        self.session.make_safe()

    def close(self) -> None:
        """Close the link. Does not touch the output; closing twice is allowed."""
        self.session.close()

    def _set(self, changed: dict[str, float]) -> None:
        for header, value in changed.items():
            self._confirmed.pop(header, None)
            self.session.command(f"{header} {scpi.format_number(value)}")
        self.session.check_errors("setting the pulses")
        for header, value in changed.items():
            found = self.session.ask(f"{header}?", scpi.parse_real)
            if not math.isclose(found, value, rel_tol=_TOLERANCE):
                raise self.session.refusal(f"answers {found:g} to {header}? where {value:g} was set")
            self._confirmed[header] = value

    def _begin(self, tag: int) -> None:
        self._forget_if_reconnected()
        if self._holds_pattern:
            # A pattern left by someone, or by a failure half-way, must not mix with the new one.
            self.session.command("PATT:CLE")
        self._holds_pattern = True
        self.session.command(f"PATT:TAG {tag}")

    def _fire(self, sent: Delivery, settings: tuple[Setting, ...]) -> Delivery:
        self._verify(settings)
        self.session.command("INIT")
        self.session.ask("*OPC?", scpi.parse_boolean, timeout_s=self._fire_timeout_s)
        tag, push, pull = self.session.ask("PATT:DEL?", lambda reply: scpi.parse_integers(reply, 3))
        delivered = Delivery(tag=tag, push_pulses=push, pull_pulses=pull)
        errors = self.session.drain_errors()
        if delivered != sent:
            raise self.session.refusal(f"delivered {_words(delivered)}, not {_words(sent)}", errors)
        self._holds_pattern = False
        if errors:
            raise self.session.refusal(f"reported errors although {_words(sent)} were delivered", errors)
        return delivered

    def _verify(self, settings: tuple[Setting, ...]) -> None:
        """See that nothing was reset or changed behind the driver's back since it was set up."""
        if self.session.output is OutputState.ON:
            settings = (Setting(query=OUTPUT.query, value=1), *settings)
        try:
            self.session.verify(*settings)
        except SettingsChanged:
            self.session.output = OutputState.UNKNOWN
            self._forget()
            raise

    def _select(self, devices: DeviceIndices) -> None:
        if self._selection is not None and np.array_equal(self._selection, devices):
            return
        self._selection = None
        self.session.link.write_block("ARR:SEL ", devices.astype(_INDEX, copy=False))
        count = self.session.ask("ARR:SEL:COUN?", scpi.parse_integer)
        errors = self.session.drain_errors()
        if count != devices.size or errors:
            raise self.session.refusal(f"selected {count} devices, not {devices.size}", errors)
        self._selection = devices.copy()

    def _read(self, query: str, count: int) -> Codes:
        return cast("Codes", self.session.link.query_block(query, _CODE, count))

    def _forget_if_reconnected(self) -> None:
        if self._generation != self.session.link.generation:
            self._forget()
            self._generation = self.session.link.generation

    def _forget(self) -> None:
        self._confirmed.clear()
        self._selection = None
        self._holds_pattern = True

    def _check_counts(self, push: Counts, pull: Counts) -> int:
        for counts in (push, pull):
            _check_array(self.name, "pulse counts", counts, np.dtype(np.uint8))
        if push.size != pull.size:
            raise LimitError(f"{self.name}: {push.size} push counts do not fit {pull.size} pull counts")
        return push.size

    def _check_devices(self, devices: DeviceIndices) -> int:
        _check_array(self.name, "device numbers", devices, np.dtype(np.uint32))
        if int(devices.max()) >= self._device_count:
            raise LimitError(
                f"{self.name}: device {int(devices.max())} does not exist: the array has {self._device_count}"
            )
        if np.unique(devices).size != devices.size:
            raise LimitError(f"{self.name}: a device is named twice: give each once")
        return devices.size

    def _check_range(self, first: int, count: int) -> None:
        if not (first >= 0 and count > 0 and first + count <= self._device_count):
            raise LimitError(
                f"{self.name}: {count} devices from {first} on are not in the array of {self._device_count}"
            )


def _check_array(name: str, what: str, array: NDArray[np.generic], dtype: np.dtype[np.generic]) -> None:
    if array.dtype != dtype or array.ndim != 1 or array.size == 0:
        raise LimitError(f"{name}: {what} must be a row of {dtype}, at least one, not {array.dtype}{list(array.shape)}")


def _total(tag: int, push: Counts, pull: Counts) -> Delivery:
    tag = operator.index(tag)
    if tag < 1:
        raise LimitError(f"tag {tag} is not above 0: take last_tag() + 1")
    return Delivery(tag=tag, push_pulses=_sum(push), pull_pulses=_sum(pull))


def _sum(counts: Counts) -> int:
    # numpy adds bytes twice as fast into 32 bits as into 64, where the total is sure to fit.
    return int(counts.sum(dtype=np.uint32 if counts.size * 255 < 2**32 else np.uint64))


def _words(delivery: Delivery) -> str:
    return f"{delivery.push_pulses} push and {delivery.pull_pulses} pull pulses under tag {delivery.tag}"


def _prepare(entry: ArrayEntry, place: str) -> Callable[[Session], Dwa]:
    amplitude = narrowed(AMPLITUDE, entry.limits.amplitude_v, place)
    width = narrowed(WIDTH, entry.limits.width_s, place)
    energy = Limit(
        quantity="energy of a pattern in one device",
        low=0.0,
        high=entry.limits.burst_energy_j,
        unit="J",
        origin=f"{place} burst_energy_j",
    )
    return lambda session: Dwa(session, amplitude=amplitude, width=width, guarded=(energy,))


MODEL = Model(
    key="dwa-1",
    title="DWA array controller",
    entry=ArrayEntry,
    kind=KIND,
    dialect=SCPI,
    safe=lambda _: SAFE,
    prepare=_prepare,
)
