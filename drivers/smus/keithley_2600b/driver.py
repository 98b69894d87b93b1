"""Keithley 2600B source-measure units, which speak TSP, as a voltage source and ammeter on one of their channels.

Sweeps run in the trigger model on a list that one message carries, readings stay in the instrument's buffer until one
binary block fetches them: a thousand points are ten messages.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from drivers import scpi
from drivers.entries import SourceMeterEntry
from drivers.errors import ConfigError, InstrumentError, SettingsChanged
from drivers.instrument import OutputState, Session, Setting
from drivers.limits import Limit
from drivers.model import Model, narrowed
from drivers.protocols import Identity, Reading, Readings
from drivers.smus import buffered
from drivers.smus.keithley_2600b.family import RATINGS, interlock, kind, safe_state, smu
from drivers.tsp import TSP, parse_boolean, parse_fields

_MANUAL = "the 2600B manual"

LONGEST_LIST: Final = 2500
"""Levels that one message carries; a longer sweep runs in pieces with the output on between them."""

MOST_READINGS: Final = 60_000
"""Readings that the buffer holds with their source values."""

LONGEST_SWEEP: Final = MOST_READINGS

_MARGIN_S = 5.0
"""Time given to a run beyond what it should take."""

_IN_COMPLIANCE = 0x40  # of a reading's status
_ROW = 3  # reading, source value, status
_LITTLE_ENDIAN = np.dtype("<f8")


@final
class Keithley2600B:
    """One channel of a source-measure unit.

    Args:
        session: the identified instrument.
        channel: 1 for A, 2 for B.
        voltage: levels allowed.
        compliance: compliance currents allowed.
    """

    def __init__(self, session: Session, *, channel: int, voltage: Limit, compliance: Limit) -> None:
        self.session = session
        self._smu = smu(channel)
        self._buffer = f"{self._smu}.nvbuffer1"
        self._voltage = voltage
        self._compliance = compliance
        self._level = Setting(query=f"print({self._smu}.source.levelv)", value=0.0)
        self._limit = Setting(query=f"print({self._smu}.source.limiti)", value=0.0)
        self._read_output()

    @property
    def name(self) -> str:
        """Return the instrument's name in the bench file."""
        return self.session.name

    @property
    def identity(self) -> Identity:
        """Return who the instrument said it is when it was opened."""
        return self.session.identity

    def source_voltage(self, level_v: float, *, compliance_a: float) -> None:
        """Set the level and the compliance. The output stays as it is, except that the first call switches it off."""
        self._voltage.check(level_v)
        self._compliance.check(compliance_a)
        if not self.session.is_prepared:
            self._prepare()
        self._set_source(level_v, compliance_a)

    def output_on(self) -> None:
        """Switch the output on and see that it is."""
        if not self.session.is_prepared:
            raise InstrumentError(f"{self.name} has no level yet: call source_voltage first")
        self._switch_on()

    def output_off(self) -> None:
        """Switch the output off."""
        self.make_safe()

    def measure(self) -> Reading:
        """Measure the current once at the present level.

        Raises:
            InstrumentError: if the output is off.
            SettingsChanged: if level, compliance or output are not as they were left.
        """
        self._need_output()
        name = self._smu
        # One message, so that what the source was doing is known of this very reading.
        current_a, is_limited, output, level_v, limit_a = self.session.ask(
            f"print({name}.measure.i(), {name}.source.compliance, {name}.source.output, "
            f"{name}.source.levelv, {name}.source.limiti)",
            _parse_measurement,
        )
        self._check_source(output, level_v, limit_a)
        readings = buffered.as_readings([level_v], [current_a], [is_limited])
        return Reading(
            voltage_v=self._level.value,
            current_a=float(readings.current_a[0]),
            quality=buffered.quality(current_a, limited=is_limited),
        )

    def measure_many(self, count: int) -> Readings:
        """Measure the current `count` times at the present level, into the instrument's buffer.

        Raises:
            InstrumentError: if the output is off, or readings are missing.
            SettingsChanged: if level, compliance or output are not as they were left.
        """
        buffered.checked_count(count)
        self._need_output()
        parts: list[Readings] = []
        for piece in buffered.pieces(count, MOST_READINGS):
            self._clear_buffer()
            name = self._smu
            self.session.command(
                f"{name}.measure.count = {piece}; {name}.measure.i({self._buffer}); {name}.measure.count = 1"
            )
            self._await_readings(piece, taking=piece)
            parts.append(self._fetch(piece))
        self.session.check_errors("measuring")
        return buffered.joined(parts)

    def sweep(self, levels_v: NDArray[np.float64], *, compliance_a: float) -> Readings:
        """Step through these levels with the output on and measure at each; the output is on during the sweep only."""
        levels = buffered.checked_levels(levels_v, self._voltage, most=LONGEST_SWEEP)
        self._compliance.check(compliance_a)
        self._prepare()
        # The output is at 0 V until the trigger model takes over, and again when it is through.
        self._set_source(0.0, compliance_a)
        # What a sweep leaves behind when it fails is set up anew.
        self.session.forget_preparation()
        try:
            self._run_sweep(levels)
        finally:
            self.make_safe()
        self.session.check_errors("sweeping")
        readings = self._fetch(len(levels))
        self._prepare()
        if not np.allclose(readings.voltage_v, levels, rtol=1e-3, atol=1e-6):
            raise self.session.refusal("swept other levels than it was given")
        return readings

    def _run_sweep(self, levels: NDArray[np.float64]) -> None:
        name = self._smu
        self._set("source.rangev", float(np.max(np.abs(levels))))
        self._clear_buffer()
        for command in (
            f"{name}.trigger.measure.i({self._buffer})",
            f"{name}.trigger.measure.action = {name}.ENABLE",
            f"{name}.trigger.source.action = {name}.ENABLE",
            f"{name}.trigger.endpulse.action = {name}.SOURCE_HOLD",
            f"{name}.trigger.endsweep.action = {name}.SOURCE_IDLE",
            f"{name}.trigger.arm.count = 1",
        ):
            self.session.command(command)
        for start in range(0, len(levels), LONGEST_LIST):
            part = levels[start : start + LONGEST_LIST]
            listed = ",".join(scpi.format_number(float(level)) for level in part)
            self.session.command(f"{name}.trigger.source.listv({{{listed}}})")
            self.session.command(f"{name}.trigger.count = {len(part)}")
            # Before the output goes on: a list that was refused must not leave the last one to be swept.
            self.session.check_errors("setting up a sweep")
            if start == 0:
                self._switch_on()
            self.session.command(f"{name}.trigger.initiate(); waitcomplete()")
            self._await_readings(start + len(part), taking=len(part))

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the limits in force, with their origins."""
        return (self._voltage, self._compliance)

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

    def _prepare(self) -> None:
        self.make_safe()
        name = self._smu
        for command in (
            f"{name}.source.func = {name}.OUTPUT_DCVOLTS",
            f"{name}.source.autorangev = {name}.AUTORANGE_ON",
            f"{name}.measure.autorangei = {name}.AUTORANGE_ON",
            f"{name}.measure.count = 1",
            # Off means disconnected: the normal off state would hold the device at 0 V through the output.
            f"{name}.source.offmode = {name}.OUTPUT_HIGH_Z",
            "format.asciiprecision = 10",
        ):
            self.session.command(command)
        self.session.check_errors("setting up")
        self.session.mark_prepared()

    def _set(self, attribute: str, value: float) -> None:
        self.session.command(f"{self._smu}.{attribute} = {scpi.format_number(value)}")

    def _switch_on(self) -> None:
        self.session.output = OutputState.UNKNOWN
        self.session.command(f"{self._smu}.source.output = 1")
        if self._read_output() is not OutputState.ON:
            raise self.session.refusal("did not switch its output on", self.session.drain_errors())

    def _read_output(self) -> OutputState:
        self.session.output = OutputState.UNKNOWN
        state = self.session.ask(f"print({self._smu}.source.output)", scpi.parse_real)
        self.session.output = OutputState.ON if state == 1 else OutputState.OFF
        return self.session.output

    def _need_output(self) -> None:
        if self.session.output is not OutputState.ON:
            raise InstrumentError(
                f"{self.name} cannot measure with its output {self.session.output}: switch it on first"
            )

    def _set_source(self, level_v: float, compliance_a: float) -> None:
        # The compliance first, so that a new level never meets an old, wider one.
        self._set("source.limiti", compliance_a)
        self._set("source.levelv", level_v)
        self.session.check_errors("setting the source")
        self._limit = replace(self._limit, value=compliance_a)
        self._level = replace(self._level, value=level_v)
        self.session.confirm((self._limit, self._level))

    def _check_source(self, output: float, level_v: float, limit_a: float) -> None:
        """Raise `SettingsChanged` if the source is not as it was left: what was read then says nothing."""
        if output != 1:
            self.session.output = OutputState.OFF
            raise SettingsChanged(f"{self.name} has its output off: a reset, or another client; set it up again")
        for setting, found in ((self._level, level_v), (self._limit, limit_a)):
            if not setting.is_met_by(found):
                raise SettingsChanged(
                    f"{self.name} answers {found:g} to {setting.query} where {setting.value:g} was set: "
                    "a reset, or another client; set it up again"
                )

    def _clear_buffer(self) -> None:
        self.session.command(
            f"{self._buffer}.clear(); {self._buffer}.appendmode = 1; {self._buffer}.collectsourcevalues = 1"
        )

    def _await_readings(self, count: int, *, taking: int) -> None:
        """Wait until the buffer holds `count` readings, of which the last command takes `taking`."""
        name = self._smu
        taken, output, level_v, limit_a = self.session.ask(
            f"print({self._buffer}.n, {name}.source.output, {name}.source.levelv, {name}.source.limiti)",
            lambda reply: [scpi.parse_real(field) for field in parse_fields(reply, 4)],
            timeout_s=_MARGIN_S + taking * buffered.SLOWEST_READING_S,
        )
        self._check_source(output, level_v, limit_a)
        if taken != count:
            raise self.session.refusal(f"took {taken:g} of {count} readings", self.session.drain_errors())

    def _fetch(self, count: int) -> Readings:
        columns = ", ".join(f"{self._buffer}.{column}" for column in ("readings", "sourcevalues", "statuses"))
        block = self.session.link.query_block(
            "format.data = format.REAL64; format.byteorder = format.LITTLEENDIAN; "
            f"printbuffer(1, {count}, {columns}); format.data = format.ASCII",
            _LITTLE_ENDIAN,
            count * _ROW,
            indefinite=True,
        )
        rows = block.astype(np.float64).reshape(count, _ROW)
        return buffered.as_readings(rows[:, 1], rows[:, 0], rows[:, 2].astype(np.int64) & _IN_COMPLIANCE != 0)


def _parse_measurement(reply: str) -> tuple[float, bool, float, float, float]:
    current, compliance, *source = parse_fields(reply, 5)
    output, level_v, limit_a = map(scpi.parse_real, source)
    return scpi.parse_real(current), parse_boolean(compliance), output, level_v, limit_a


def _prepare(model: str, entry: SourceMeterEntry, place: str) -> Callable[[Session], Keithley2600B]:
    ratings = RATINGS[model]
    if entry.channel > ratings.channels:
        raise ConfigError(f"{place.removesuffix(' limits')}: the {model} has one channel, not channel {entry.channel}")
    top_v = ratings.voltage_v
    voltage = Limit(quantity="source voltage", low=-top_v, high=top_v, unit="V", origin=_MANUAL)
    compliance = Limit(
        quantity="compliance current",
        low=ratings.smallest_compliance_a,
        high=ratings.current_a,
        unit="A",
        origin=_MANUAL,
    )
    voltage = narrowed(voltage, entry.limits.voltage_v, place)
    compliance = narrowed(compliance, entry.limits.compliance_a, place)
    return lambda session: Keithley2600B(session, channel=entry.channel, voltage=voltage, compliance=compliance)


def _model(name: str) -> Model[SourceMeterEntry]:
    channels = "one channel" if RATINGS[name].channels == 1 else "two channels"
    return Model(
        key=f"keithley-{name.lower()}",
        title=f"Keithley {name} source-measure unit with {channels}",
        entry=SourceMeterEntry,
        kind=kind(name),
        dialect=TSP,
        safe=lambda entry: safe_state(entry.channel),
        prepare=functools.partial(_prepare, name),
        interlock=interlock(name),
    )


MODELS: Final = tuple(_model(name) for name in RATINGS)
"""One for each model."""
