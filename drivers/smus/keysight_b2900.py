"""Keysight B2901A and B2902A source-measure units, as a voltage source and ammeter on one of their channels."""

from collections.abc import Callable
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from drivers import scpi
from drivers.dialect import SCPI
from drivers.entries import SourceMeterEntry
from drivers.errors import ConfigError, InstrumentError
from drivers.instrument import Kind, Output, OutputState, SafeState, Session, Setting
from drivers.interface_lock import SYSTEM_LOCK
from drivers.limits import Limit
from drivers.model import Interlock, Model, narrowed
from drivers.protocols import Identity, Quality, Reading, Readings
from drivers.smus import buffered

_MANUAL = "the B2900 manual"

VOLTAGE = Limit(quantity="source voltage", low=-210.0, high=210.0, unit="V", origin=_MANUAL)
COMPLIANCE = Limit(quantity="compliance current", low=1e-9, high=3.03, unit="A", origin=_MANUAL)
READINGS = Limit(quantity="readings of one trigger run", low=1, high=100_000, unit="", origin=_MANUAL)
LEVELS = Limit(quantity="levels of a list", low=1, high=2500, unit="", origin=_MANUAL)
PERIOD = Limit(quantity="trigger period", low=20e-6, high=1e5, unit="s", origin=_MANUAL)
PULSE_WIDTH = Limit(quantity="pulse width", low=50e-6, high=1e5, unit="s", origin=_MANUAL)

_ENVELOPE: Final = (
    Limit(quantity="compliance current up to 6 V", low=0.0, high=3.03, unit="A", origin=_MANUAL),
    Limit(quantity="compliance current above 6 V", low=0.0, high=1.515, unit="A", origin=_MANUAL),
    Limit(quantity="compliance current above 21 V", low=0.0, high=0.105, unit="A", origin=_MANUAL),
)

_PAUSE_S = 1e-3
"""Time between two readings at one level."""
_SETTLING_S = 5e-3
"""Time for the output and the ranges to follow a step."""
_MARGIN_S = 5.0
"""Time given to a run beyond what it should take."""

_PER_MESSAGE = 500
_IN_COMPLIANCE = 6  # bits 1 and 2 of a reading's status
_RANGE_OVERFLOW = 8192
_ROW = 3  # current, status, source: the order is the instrument's
_LITTLE_ENDIAN = np.dtype("<f8")


def output(channel: int) -> Output:
    """Return the commands of a channel's output."""
    return Output(on=f":OUTP{channel} ON", off=f":OUTP{channel} OFF", query=f":OUTP{channel}?")


def safe_state(channel: int) -> SafeState:
    """Return how a channel is made safe."""
    relay = output(channel)
    return SafeState(command=relay.off, query=relay.query, confirms="0".__eq__)


def kind(model: str) -> Kind:
    """Return which identities a model answers with; the makers' name changed in 2014."""
    return Kind(manufacturer=r"(KEYSIGHT|AGILENT) TECHNOLOGIES", model=model)


@final
class KeysightB2900:
    """One channel of a source-measure unit.

    Args:
        session: the identified instrument.
        channel: 1 or 2.
        voltage: levels allowed.
        compliance: compliance currents allowed.
    """

    def __init__(self, session: Session, *, channel: int, voltage: Limit, compliance: Limit) -> None:
        self.session = session
        self._source, self._sense = f":SOUR{channel}", f":SENS{channel}"
        self._trigger, self._arm = f":TRIG{channel}", f":ARM{channel}"
        self._list = f"(@{channel})"
        self._channel = channel
        self._output = output(channel)
        self._voltage = voltage
        self._compliance = compliance
        self._settings: tuple[Setting, ...] = ()
        session.read_output(self._output)

    @property
    def name(self) -> str:
        """Return the instrument's name in the bench file."""
        return self.session.name

    @property
    def identity(self) -> Identity:
        """Return who the instrument said it is when it was opened."""
        return self.session.identity

    def source_voltage(self, level_v: float, *, compliance_a: float) -> None:
        """Set the level and the compliance. The output stays as it is, except that the first call switches it off.

        Raises:
            LimitError: if the level or the compliance is not allowed, or not both together. Nothing was sent.
            InstrumentError: if the instrument refused, as it does above 42 V while the interlock is open.
        """
        self._check(np.array([level_v], np.float64), compliance_a)
        if not self.session.is_prepared:
            self._prepare()
        # The compliance first, so that a new level never meets an old, wider one.
        self.session.command(f"{self._sense}:CURR:PROT {scpi.format_number(compliance_a)}")
        self.session.command(f"{self._source}:VOLT {scpi.format_number(level_v)}")
        self.session.check_errors("setting the source")
        self._settings = (
            Setting(query=f"{self._sense}:CURR:PROT?", value=compliance_a),
            Setting(query=f"{self._source}:VOLT?", value=level_v, absolute=1e-6),
        )
        self.session.confirm(self._settings)
        if self.session.output is OutputState.ON:
            self._remember_on()

    def output_on(self) -> None:
        """Switch the output on."""
        if not self.session.is_prepared:
            raise InstrumentError(f"{self.name} has no level yet: call source_voltage first")
        self.session.output_on(self._output)
        self._remember_on()

    def output_off(self) -> None:
        """Switch the output off."""
        self.make_safe()

    def measure(self) -> Reading:
        """Measure the current once at the present level.

        Raises:
            SettingsChanged: if the output, the level or the compliance is no longer what was set.
        """
        self._require_output()
        readings, _ = self._rows(f":MEAS? {self._list}", 1)
        current_a = float(readings.current_a[0])
        limited = bool(readings.limited[0])
        return Reading(
            voltage_v=float(readings.voltage_v[0]),
            current_a=current_a,
            quality=buffered.quality(current_a, limited=limited) if np.isfinite(current_a) else Quality.INVALID,
        )

    def measure_many(self, count: int) -> Readings:
        """Measure the current `count` times at the present level, by the timer into the instrument's buffer.

        Raises:
            SettingsChanged: as for `measure`.
        """
        buffered.checked_count(count)
        self._require_output()
        parts: list[Readings] = []
        for piece in buffered.pieces(count, int(READINGS.high)):
            period_s = self._set_timer("ACQ", piece, _PAUSE_S)
            # The meter's trigger alone: the source stays where it is.
            parts.append(self._run(f":INIT:ACQ {self._list}", piece, period_s)[0])
        return buffered.joined(parts)

    def sweep(self, levels_v: NDArray[np.float64], *, compliance_a: float) -> Readings:
        """Step through these levels with the output on and measure at each, in list mode by the timer.

        The output is on during the sweep only.

        Raises:
            LimitError: as for `source_voltage`, or if the levels do not fit the instrument's list. Nothing was sent.
            InstrumentError: if a level is not the one asked for.
        """
        levels = buffered.checked_levels(levels_v, self._voltage, most=int(LEVELS.high))
        self._check(levels, compliance_a)
        try:
            if self.session.output is not OutputState.OFF:
                self.output_off()
            self.source_voltage(float(levels[0]), compliance_a=compliance_a)
            period_s = self._load(levels)
            self.output_on()
            readings, sourced = self._run(f":INIT {self._list}", levels.size, period_s)
        finally:
            # The list mode goes with the next preparation.
            self.session.forget_preparation()
            self.output_off()
        # A sweep stays on the range of its highest level, whose resolution is what the small levels get.
        resolution_v = 1e-6 + 1e-4 * float(np.abs(levels).max())
        if wrong := np.flatnonzero(~np.isclose(sourced, levels, rtol=1e-3, atol=resolution_v)).tolist():
            raise self.session.refusal(
                f"sourced {sourced[wrong[0]]:g} V in step {wrong[0]} of a sweep where {levels[wrong[0]]:g} V was set"
            )
        return readings

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the limits in force, with their origins; those of pulses are facts of a model that is not pulsed."""
        return (self._voltage, self._compliance, *_ENVELOPE, READINGS, LEVELS, PERIOD, PULSE_WIDTH)

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
        for command in self._setup():
            self.session.command(command)
        self.session.check_errors("setting up")
        self.session.mark_prepared()

    def _setup(self) -> tuple[str, ...]:
        channel = self._channel
        return (
            # Nothing but `output_on` may switch the output on: after a reset every INITiate does.
            f":OUTP{channel}:ON:AUTO OFF",
            f":OUTP{channel}:OFF:AUTO OFF",
            # Off means disconnected: the normal off state would hold the device at 0 V through the output.
            f":OUTP{channel}:OFF:MODE HIZ",
            f"{self._source}:FUNC:MODE VOLT",
            f"{self._source}:FUNC:SHAP DC",
            f"{self._source}:VOLT:MODE FIX",
            f"{self._source}:VOLT:RANG:AUTO ON",
            f"{self._sense}:FUNC:OFF:ALL",
            f'{self._sense}:FUNC "CURR"',
            f"{self._sense}:CURR:RANG:AUTO ON",
            ":FORM REAL,64",
            ":FORM:BORD SWAP",
            ":FORM:ELEM:SENS CURR,STAT,SOUR",
        )

    def _check(self, levels: NDArray[np.float64], compliance_a: float) -> None:
        for extreme in (levels.min(), levels.max()):
            self._voltage.check(float(extreme))
        self._compliance.check(compliance_a)
        highest_v = float(np.abs(levels).max())
        _ENVELOPE[(highest_v > 6.0) + (highest_v > 21.0)].check(compliance_a)

    def _remember_on(self) -> None:
        self.session.remember((Setting(query=self._output.query, value=1.0), *self._settings))

    def _require_output(self) -> None:
        if self.session.output is not OutputState.ON:
            raise InstrumentError(
                f"{self.name} cannot measure with its output {self.session.output}: switch it on first"
            )
        # An output that a reset switched off would be read as a device that does not conduct.
        self.session.verify()

    def _set_timer(self, action: str, count: int, pause_s: float) -> float:
        """Make the timer start each step; return its period, seconds."""
        aperture_s = self.session.ask(f"{self._sense}:CURR:APER?", scpi.parse_real)
        period_s = PERIOD.check(round(aperture_s + pause_s, 6))
        for command in (
            f"{self._arm}:{action}:SOUR AINT",
            f"{self._arm}:{action}:COUN 1",
            f"{self._trigger}:{action}:SOUR TIM",
            f"{self._trigger}:{action}:TIM {scpi.format_number(period_s)}",
            f"{self._trigger}:{action}:COUN {count}",
        ):
            self.session.command(command)
        self.session.check_errors("setting the trigger")
        self.session.confirm((Setting(query=f"{self._trigger}:ACQ:COUN?", value=count, relative=0.0),))
        return period_s

    def _load(self, levels: NDArray[np.float64]) -> float:
        """Load a list and set the trigger for it; return the period of its steps, seconds."""
        target = f"{self._source}:LIST:VOLT"
        for command in buffered.list_commands(target, f"{target}:APP", levels, per_message=_PER_MESSAGE):
            self.session.command(command)
        self.session.command(f"{self._source}:VOLT:MODE LIST")
        self.session.check_errors("loading a list")
        self.session.confirm((Setting(query=f"{target}:POIN?", value=levels.size, relative=0.0),))
        return self._set_timer("ALL", levels.size, _SETTLING_S)

    def _run(self, start: str, count: int, period_s: float) -> tuple[Readings, NDArray[np.float64]]:
        """Start the trigger, wait for its end and return the readings and the levels sourced."""
        self.session.command(start)
        duration_s = count * period_s + _MARGIN_S
        self.session.ask("*OPC?", scpi.parse_boolean, timeout_s=duration_s)
        readings = self._rows(f":FETC:ARR? {self._list}", count)
        self.session.check_errors("measuring")
        return readings

    def _rows(self, query: str, count: int) -> tuple[Readings, NDArray[np.float64]]:
        block = self.session.link.query_block(query, _LITTLE_ENDIAN, count * _ROW)
        current_a, status, sourced_v = np.asarray(block, np.float64).reshape(count, _ROW).T
        flags = np.nan_to_num(status).astype(np.int64)
        measured_a = np.where(flags & _RANGE_OVERFLOW, np.nan, current_a)
        readings = buffered.as_readings(sourced_v, measured_a, (flags & _IN_COMPLIANCE) != 0)
        return readings, readings.voltage_v


def _prepare(entry: SourceMeterEntry, place: str) -> Callable[[Session], KeysightB2900]:
    if entry.model == "keysight-b2901a" and entry.channel != 1:
        raise ConfigError(f"{place.removesuffix(' limits')}: the B2901A has one channel, not channel {entry.channel}")
    voltage = narrowed(VOLTAGE, entry.limits.voltage_v, place)
    compliance = narrowed(COMPLIANCE, entry.limits.compliance_a, place)
    return lambda session: KeysightB2900(session, channel=entry.channel, voltage=voltage, compliance=compliance)


def _model(key: str, name: str, channels: str) -> Model[SourceMeterEntry]:
    return Model(
        key=key,
        title=f"Keysight {name} source-measure unit with {channels}",
        entry=SourceMeterEntry,
        kind=kind(name),
        dialect=SCPI,
        safe=lambda entry: safe_state(entry.channel),
        prepare=_prepare,
        lock=SYSTEM_LOCK,
        interlock=Interlock(query=":SYST:INT:TRIP?", is_closed=lambda tripped: not scpi.parse_boolean(tripped)),
    )


B2901A = _model("keysight-b2901a", "B2901A", "one channel")
B2902A = _model("keysight-b2902a", "B2902A", "two channels")
