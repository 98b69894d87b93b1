"""Keithley 2400 SourceMeter, as a voltage source and ammeter."""

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

KIND = Kind(manufacturer=r"KEITHLEY( INSTRUMENTS.*)?", model=r"(MODEL )?2400")
OUTPUT = Output(on=":OUTP ON", off=":OUTP OFF", query=":OUTP?")
SAFE = SafeState(command=OUTPUT.off, query=OUTPUT.query, confirms="0".__eq__)

VOLTAGE = Limit(quantity="source voltage", low=-210.0, high=210.0, unit="V", origin="the 2400 manual")
COMPLIANCE = Limit(quantity="compliance current", low=1e-9, high=1.05, unit="A", origin="the 2400 manual")

BATCH = 2500
"""Readings that the buffer holds; also the most levels of a list."""

_LIMITED = 1 << 3  # bit of the status word: real compliance
_RANGE_LIMITED = 1 << 16  # the measuring range is what limits
_ELEMENTS = 3

_SETUP = (
    ":ABOR",
    ":SOUR:CLE:AUTO OFF",
    ":SOUR:FUNC VOLT",
    ":SOUR:VOLT:MODE FIX",
    ":SOUR:VOLT:RANG:AUTO ON",
    ":SOUR:SWE:RANG BEST",
    ":SOUR:SWE:CAB NEV",
    ":SENS:FUNC:OFF:ALL",
    ':SENS:FUNC "CURR"',
    ":SENS:CURR:RANG:AUTO ON",
    ":SENS:CURR:NPLC 1",
    ":ARM:SOUR IMM",
    ":ARM:COUN 1",
    ":TRIG:SOUR IMM",
    ":TRIG:COUN 1",
    ":TRAC:FEED:CONT NEV",
    ":FORM:DATA ASC",
    ":FORM:BORD SWAP",
    ":FORM:ELEM VOLT,CURR,STAT",
    # Off means disconnected: the normal off state would hold the device at 0 V through the output.
    ":OUTP:SMOD HIMP",
)


@final
class Keithley2400:
    """A source-measure unit. Voltages of its readings are those that were set.

    Args:
        session: the identified instrument.
        voltage: levels allowed.
        compliance: compliance currents allowed.
    """

    def __init__(self, session: Session, *, voltage: Limit, compliance: Limit) -> None:
        self.session = session
        self._voltage = voltage
        self._compliance = compliance
        self._level_v = 0.0
        session.read_output(OUTPUT)

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
        self._check(level_v, compliance_a)
        if not self.session.is_prepared:
            self._prepare()
        # The compliance first, so that a new level never meets an old, wider one.
        self.session.command(f":SENS:CURR:PROT {scpi.format_number(compliance_a)}")
        self.session.command(f":SOUR:VOLT {scpi.format_number(level_v)}")
        self.session.check_errors("setting the source")
        self.session.confirm(
            (Setting(query=":SENS:CURR:PROT?", value=compliance_a), Setting(query=":SOUR:VOLT?", value=level_v))
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
            SettingsChanged: if the instrument is not at the level it was left at.
        """
        self._check_on()
        row = self.session.ask(":READ?", lambda reply: np.array(scpi.parse_reals(reply, _ELEMENTS)))
        readings = self._readings(row.reshape(1, _ELEMENTS), np.array([self._level_v]))
        return Reading(
            voltage_v=float(readings.voltage_v[0]),
            current_a=float(readings.current_a[0]),
            quality=quality(float(row[1]), limited=bool(readings.limited[0])),
        )

    def measure_many(self, count: int) -> Readings:
        """Measure the current `count` times at the present level, into the buffer, and fetch it as one block.

        Raises:
            SettingsChanged: if the instrument is not at the level it was left at.
        """
        self._check_on()
        parts = [self._take(np.full(some, self._level_v)) for some in pieces(checked_count(count), BATCH)]
        return joined(parts)

    def sweep(self, levels_v: NDArray[np.float64], *, compliance_a: float) -> Readings:
        """Step through these levels in the instrument's own list and measure at each; the output is off afterwards."""
        levels = checked_levels(levels_v, self._voltage, most=BATCH)
        self._check(float(levels[np.argmax(np.abs(levels))]), compliance_a)
        try:
            self.source_voltage(float(levels[0]), compliance_a=compliance_a)
            self._load(levels)
            self.session.output_on(OUTPUT)
            return self._take(levels)
        finally:
            # The list stays the source's mode: what comes next sets everything up anew.
            self.session.forget_preparation()
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

    def _check_on(self) -> None:
        if self.session.output is not OutputState.ON or not self.session.is_prepared:
            raise InstrumentError(
                f"{self.name} cannot measure with its output {self.session.output}: switch it on first"
            )

    def _load(self, levels: NDArray[np.float64]) -> None:
        load_list(self.session, levels, then=":SOUR:VOLT:MODE LIST")

    def _take(self, levels: NDArray[np.float64]) -> Readings:
        """Take a reading for each level into the buffer and return them."""
        session, count = self.session, levels.size
        session.command(f":TRIG:COUN {count};:TRAC:CLE;:TRAC:POIN {count};:TRAC:FEED SENS;:TRAC:FEED:CONT NEXT")
        session.command(":INIT")
        await_readings(session, count, query=":TRAC:POIN:ACT?")
        session.command(":FORM:DATA SRE")
        block = session.link.query_block(":TRAC:DATA?", "<f4", _ELEMENTS * count, indefinite=True)
        session.command(":FORM:DATA ASC;:TRIG:COUN 1")
        session.check_errors("measuring")
        return self._readings(block.reshape(count, _ELEMENTS).astype(np.float64), levels)

    def _readings(self, table: NDArray[np.float64], levels: NDArray[np.float64]) -> Readings:
        voltage_v, current_a, states = table.T
        if not np.allclose(voltage_v, levels, rtol=1e-3, atol=1e-5):
            self.session.output = OutputState.UNKNOWN
            self.session.forget_preparation()
            raise SettingsChanged(
                f"{self.name} did not source what it was set to: a reset, or another client; set it up again"
            )
        limited = states.astype(np.int64) & (_LIMITED | _RANGE_LIMITED) != 0
        return as_readings(voltage_v, current_a, limited)


def _prepare(entry: SourceMeterEntry, place: str) -> Callable[[Session], Keithley2400]:
    voltage = narrowed(VOLTAGE, entry.limits.voltage_v, place)
    compliance = narrowed(COMPLIANCE, entry.limits.compliance_a, place)
    return lambda session: Keithley2400(session, voltage=voltage, compliance=compliance)


MODEL = Model(
    key="keithley-2400",
    title="Keithley 2400 SourceMeter",
    entry=SourceMeterEntry,
    kind=KIND,
    dialect=SCPI,
    safe=lambda _: SAFE,
    prepare=_prepare,
    interlock=Interlock(query=":OUTP:ENAB:TRIP?", is_closed=scpi.parse_boolean),
)
