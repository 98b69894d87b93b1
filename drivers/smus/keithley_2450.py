"""Keithley 2450 source-measure unit in its SCPI command set, as a voltage source and ammeter."""

import math
from collections.abc import Callable
from typing import final

import numpy as np
from numpy.typing import NDArray

from drivers import scpi
from drivers.dialect import SCPI
from drivers.entries import SourceMeterEntry
from drivers.errors import InstrumentError
from drivers.instrument import Kind, Output, OutputState, SafeState, Session, Setting
from drivers.limits import Limit
from drivers.model import Model, narrowed
from drivers.protocols import Identity, Quality, Reading, Readings

KIND = Kind(manufacturer=r"KEITHLEY( INSTRUMENTS.*)?", model=r"(MODEL )?2450")
OUTPUT = Output(on=":OUTP ON", off=":OUTP OFF", query=":OUTP?")
SAFE = SafeState(command=OUTPUT.off, query=OUTPUT.query, confirms="0".__eq__)

VOLTAGE = Limit(quantity="source voltage", low=-210.0, high=210.0, unit="V", origin="the 2450 manual")
COMPLIANCE = Limit(quantity="compliance current", low=1e-9, high=1.05, unit="A", origin="the 2450 manual")

_SETUP = (
    ":SOUR:FUNC VOLT",
    ':SENS:FUNC "CURR"',
    ":SOUR:VOLT:RANG:AUTO ON",
    ":SENS:CURR:RANG:AUTO ON",
    ":SENS:COUN 1",
    # Off means disconnected: the normal off state would hold the device at 0 V through the output.
    ":OUTP:VOLT:SMOD HIMP",
)


@final
class Keithley2450:
    """A source-measure unit.

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
        self._prepared_generation = -1
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

    def source_voltage(self, level_v: float, *, compliance_a: float) -> None:
        """Set the level and the compliance. The output stays as it is, except that the first call switches it off."""
        self._voltage.check(level_v)
        self._compliance.check(compliance_a)
        if not self._is_prepared:
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
        if not self._is_prepared:
            raise InstrumentError(f"{self.name} has no level yet: call source_voltage first")
        self.session.output_on(OUTPUT)

    def output_off(self) -> None:
        """Switch the output off."""
        self.make_safe()

    def measure(self) -> Reading:
        """Measure the current once at the present level."""
        if self.session.output is not OutputState.ON:
            raise InstrumentError(
                f"{self.name} cannot measure with its output {self.session.output}: switch it on first"
            )
        current_a = self.session.ask(":READ?", scpi.parse_real)
        in_compliance = self.session.ask(":SOUR:VOLT:ILIM:TRIP?", scpi.parse_boolean)
        return Reading(
            voltage_v=self._level_v,
            current_a=current_a if abs(current_a) < scpi.OVERFLOW else math.nan,
            quality=_quality(current_a, in_compliance),
        )

    def measure_many(self, count: int) -> Readings:
        """Measure the current `count` times at the present level."""
        return _gathered([self.measure() for _ in range(count)])

    def sweep(self, levels_v: NDArray[np.float64], *, compliance_a: float) -> Readings:
        """Step through these levels with the output on and measure at each; the output is on during the sweep only."""
        self._compliance.check(compliance_a)
        for level_v in levels_v:
            self._voltage.check(float(level_v))
        readings: list[Reading] = []
        try:
            for level_v in levels_v:
                self.source_voltage(float(level_v), compliance_a=compliance_a)
                self.output_on()
                readings.append(self.measure())
        finally:
            self.output_off()
        return _gathered(readings)

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

    @property
    def _is_prepared(self) -> bool:
        return self._prepared_generation == self.session.link.generation

    def _prepare(self) -> None:
        self.make_safe()
        for command in _SETUP:
            self.session.command(command)
        self.session.check_errors("setting up")
        self._prepared_generation = self.session.link.generation


def _quality(current_a: float, in_compliance: bool) -> Quality:
    if abs(current_a) >= scpi.OVERFLOW:
        return Quality.INVALID
    return Quality.LIMITED if in_compliance else Quality.GOOD


def _gathered(readings: list[Reading]) -> Readings:
    return Readings(
        voltage_v=np.array([reading.voltage_v for reading in readings], np.float64),
        current_a=np.array([reading.current_a for reading in readings], np.float64),
        limited=np.array([reading.quality is Quality.LIMITED for reading in readings], np.bool_),
    )


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
)
