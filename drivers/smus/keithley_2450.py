"""Keithley 2450 source-measure unit in its SCPI command set, as a voltage source and ammeter."""

from collections.abc import Callable
from typing import final

import numpy as np
from numpy.typing import NDArray

from drivers import scpi
from drivers.dialect import SCPI
from drivers.entries import SourceMeterEntry
from drivers.errors import InstrumentError, SettingsChanged
from drivers.instrument import Kind, Output, OutputState, SafeState, Session, Setting
from drivers.limits import Limit
from drivers.model import Interlock, Model, narrowed
from drivers.protocols import Identity, Reading, Readings
from drivers.smus.buffered import (
    as_readings,
    checked_count,
    checked_levels,
    joined,
    pieces,
    quality,
)
from drivers.smus.keithley_power import check_envelope
from drivers.smus.keithley_scpi import await_readings, load_list, set_up

KIND = Kind(manufacturer=r"KEITHLEY( INSTRUMENTS.*)?", model=r"(MODEL )?2450")
OUTPUT = Output(on=":OUTP ON", off=":OUTP OFF", query=":OUTP?")
SAFE = SafeState(command=OUTPUT.off, query=OUTPUT.query, confirms="0".__eq__)

VOLTAGE = Limit(quantity="source voltage", low=-210.0, high=210.0, unit="V", origin="the 2450 manual")
COMPLIANCE = Limit(quantity="compliance current", low=1e-9, high=1.05, unit="A", origin="the 2450 manual")

BATCH = 2500
"""Readings taken and transferred at once; also the most levels of a list."""

INTERLOCK_V = 42.0
"""Most that the output gives while the interlock is open, volts."""

_BUFFER = '"defbuffer1"'
_LIMITED, _ON = 32, 128  # bits of the source status

_SETUP = (
    ":FORM ASC",
    ":FORM:BORD SWAP",
    ":SOUR:FUNC VOLT",
    ':SENS:FUNC "CURR"',
    ":SOUR:VOLT:RANG:AUTO ON",
    ":SOUR:VOLT:READ:BACK ON",
    ":SENS:CURR:RANG:AUTO ON",
    ":SENS:CURR:NPLC 1",
    ":SENS:COUN 1",
    # Off means disconnected: the normal off state would hold the device at 0 V through the output.
    ":OUTP:VOLT:SMOD HIMP",
)


@final
class Keithley2450:
    """A source-measure unit. Voltages of its readings are measured at the output, not only set.

    Args:
        session: the identified instrument.
        voltage: levels allowed.
        compliance: compliance currents allowed.

    Raises:
        InstrumentError: if the instrument speaks another command set.
    """

    def __init__(self, session: Session, *, voltage: Limit, compliance: Limit) -> None:
        self.session = session
        self._voltage = voltage
        self._compliance = compliance
        self._level_v = 0.0
        language = session.ask("*LANG?", str)
        if language != "SCPI":
            raise InstrumentError(f"{session.name} speaks {language}: send `*LANG SCPI` and switch it off and on")
        session.read_output(OUTPUT)

    @property
    def name(self) -> str:
        """Return the instrument's name in the bench file."""
        return self.session.name

    @property
    def identity(self) -> Identity:
        """Return who the instrument said it is when it was opened."""
        return self.session.identity

    def interlock_closed(self) -> bool:
        """Return whether the safety interlock is closed; the output gives at most 42 V while it is open."""
        return self.session.ask(":OUTP:INT:TRIP?", scpi.parse_boolean)

    def source_voltage(self, level_v: float, *, compliance_a: float) -> None:
        """Set the level and the compliance. The output stays as it is, except that the first call switches it off."""
        self._check(level_v, compliance_a)
        if not self.session.is_prepared:
            self._prepare()
        # The compliance first, so that a new level never meets an old, wider one.
        self.session.command(f":SOUR:VOLT:ILIM {scpi.format_number(compliance_a)}")
        self.session.command(f":SOUR:VOLT {scpi.format_number(level_v)}")
        self.session.check_errors("setting the source")
        self.session.confirm(
            (Setting(query=":SOUR:VOLT:ILIM?", value=compliance_a), Setting(query=":SOUR:VOLT?", value=level_v))
        )
        self._level_v = level_v

    def output_on(self) -> None:
        """Switch the output on."""
        if not self.session.is_prepared:
            raise InstrumentError(f"{self.name} has no level yet: call source_voltage first")
        self.session.output_on(OUTPUT)

    def output_off(self) -> None:
        """Switch the output off."""
        self.make_safe()

    def measure(self) -> Reading:
        """Measure the current once at the present level.

        Raises:
            SettingsChanged: if the instrument is not as it was left: a reset, a power cycle, another client.
        """
        self._check_on()
        voltage_v, current_a, status = self.session.ask(
            f":READ? {_BUFFER},SOUR,READ,SOURSTAT", lambda reply: _numbers(reply, 3)
        )
        limited = _limited(np.array([status]))
        self._check_source(np.array([voltage_v]), np.array([status]), np.array([self._level_v]))
        (reading,) = as_readings([voltage_v], [current_a], limited).current_a
        return Reading(
            voltage_v=float(voltage_v),
            current_a=float(reading),
            quality=quality(float(current_a), limited=bool(limited[0])),
        )

    def measure_many(self, count: int) -> Readings:
        """Measure the current `count` times at the present level, into the buffer, and fetch it as one block.

        Raises:
            SettingsChanged: if the instrument is not as it was left: a reset, a power cycle, another client.
        """
        self._check_on()
        parts = [self._measure_batch(some) for some in pieces(checked_count(count), BATCH)]
        return joined(parts)

    def sweep(self, levels_v: NDArray[np.float64], *, compliance_a: float) -> Readings:
        """Step through these levels in the instrument's own list and measure at each; the output is off afterwards."""
        levels = checked_levels(levels_v, self._voltage, most=BATCH)
        self._check(float(levels[np.argmax(np.abs(levels))]), compliance_a)
        try:
            self.source_voltage(float(levels[0]), compliance_a=compliance_a)
            self._load(levels)
            # The sweep itself switches the output on, and off again at its end.
            self.session.output = OutputState.UNKNOWN
            self.session.command(":INIT")
            return self._fetch(levels.size, levels)
        finally:
            self.output_off()

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
        set_up(self.session, _SETUP)
        self.session.mark_prepared()

    def _check(self, level_v: float, compliance_a: float) -> None:
        self._voltage.check(level_v)
        self._compliance.check(compliance_a)
        check_envelope(level_v, compliance_a)
        if abs(level_v) > INTERLOCK_V and not self.interlock_closed():
            raise InstrumentError(
                f"{self.name} gives at most {INTERLOCK_V:g} V, not {level_v:g} V, while its interlock is open: close it"
            )

    def _check_on(self) -> None:
        if self.session.output is not OutputState.ON or not self.session.is_prepared:
            raise InstrumentError(
                f"{self.name} cannot measure with its output {self.session.output}: switch it on first"
            )

    def _load(self, levels: NDArray[np.float64]) -> None:
        # From the first value on, after the automatic delay, once, going on in compliance.
        load_list(self.session, levels, then=f":SOUR:SWE:VOLT:LIST 1,-1,1,OFF,{_BUFFER}")

    def _measure_batch(self, count: int) -> Readings:
        session = self.session
        session.command(f":SENS:COUN {count}")
        session.command(f":TRAC:CLE {_BUFFER}")
        session.command(f":TRAC:TRIG {_BUFFER}")
        readings = self._fetch(count, np.full(count, self._level_v))
        session.command(":SENS:COUN 1")
        return readings

    def _fetch(self, count: int, levels: NDArray[np.float64]) -> Readings:
        """Wait for the end of a measurement and return what it left in the buffer."""
        session = self.session
        await_readings(session, count, query=f":TRAC:ACT? {_BUFFER}")
        # Binary is for numbers only, so that the states follow as text.
        session.command(":FORM REAL")
        block = session.link.query_block(
            f":TRAC:DATA? 1,{count},{_BUFFER},SOUR,READ", "<f8", 2 * count, indefinite=True
        )
        session.command(":FORM ASC")
        states = session.ask(f":TRAC:DATA? 1,{count},{_BUFFER},SOURSTAT", lambda reply: _numbers(reply, count))
        session.check_errors("measuring")
        voltage_v, current_a = block.reshape(count, 2).T
        self._check_source(voltage_v, states, levels)
        return as_readings(voltage_v, current_a, _limited(states))

    def _check_source(
        self, voltage_v: NDArray[np.generic], states: NDArray[np.float64], levels: NDArray[np.float64]
    ) -> None:
        """See that the output was on and at its level, wherever the compliance did not hold it."""
        was_on = states.astype(np.int64) & _ON != 0
        is_right = np.isclose(voltage_v.astype(np.float64), levels, rtol=1e-2, atol=5e-3)
        if not np.all(was_on & (is_right | _limited(states))):
            self.session.output = OutputState.UNKNOWN
            self.session.forget_preparation()
            raise SettingsChanged(
                f"{self.name} did not source what it was set to: a reset, or another client; set it up again"
            )


def _numbers(reply: str, count: int) -> NDArray[np.float64]:
    # The manual shows a comma and a space between elements.
    return np.array(scpi.parse_reals(reply.replace(", ", ","), count))


def _limited(states: NDArray[np.float64]) -> NDArray[np.bool_]:
    return states.astype(np.int64) & _LIMITED != 0


def _prepare(entry: SourceMeterEntry, place: str) -> Callable[[Session], Keithley2450]:
    voltage = narrowed(VOLTAGE, entry.limits.voltage_v, place)
    compliance = narrowed(COMPLIANCE, entry.limits.compliance_a, place)
    return lambda session: Keithley2450(session, voltage=voltage, compliance=compliance)


MODEL = Model(
    key="keithley-2450",
    title="Keithley 2450 source-measure unit",
    entry=SourceMeterEntry,
    kind=KIND,
    dialect=SCPI,
    safe=lambda _: SAFE,
    prepare=_prepare,
    interlock=Interlock(query=":OUTP:INT:TRIP?", is_closed=scpi.parse_boolean),
)
