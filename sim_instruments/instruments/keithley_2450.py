"""Twin of the Keithley 2450 source-measure unit: voltage source, current meter.

Its terminals are on the wiring's measure row. The reading is the source voltage times the conductance of the devices
reached, limited by the compliance, plus noise of `NOISE_OF_RANGE` of the range at one power-line cycle, less for
longer integration. With no path, or with the output off, only the noise is read. Reading disturbs no wall: the read
path does not carry the write current.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from sim_instruments.instrument import Traits
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice, Integer, QuotedChoice, Real
from sim_instruments.scpi_setting import real_setting, setting, show_bool, show_real, switch_setting
from sim_instruments.scpi_tree import Command
from sim_instruments.status import Status

MODEL: Final = "keithley-2450"

NOISE_OF_RANGE: Final = 1e-6
"""Noise of one reading at one power-line cycle, rms, as a fraction of the measuring range."""

_LINE_FREQUENCY_HZ = 50.0
_VOLTAGE_RANGES_V = (0.02, 0.2, 2.0, 20.0, 200.0)
_CURRENT_RANGES_A = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_OVER_RANGE = 1.05

_LEVEL = Real(unit="V", low=-210.0, high=210.0, default=0.0)
_VOLTAGE_RANGE = Real(unit="V", low=-210.0, high=210.0, default=0.02)
_LIMIT = Real(unit="A", low=1e-9, high=1.05, default=1.05e-4)
_RANGE = Real(unit="A", low=-1.05, high=1.05, default=1e-4)
_NPLC = Real(low=0.01, high=10.0, default=1.0)
_COUNT = Integer(low=1, high=300_000)
_BUFFER = QuotedChoice(("DEFBUFFER1",))
_ELEMENT = Choice(("SOURce", "READing", "RELative"))
_OFF_STATE = Choice(("NORMal", "HIMPedance", "ZERO", "GUARd"))
_CURRENT = QuotedChoice(("CURRent", "CURRent:DC"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """Settings as *RST leaves them."""

    level_v: float = 0.0
    voltage_range_v: float = 0.02
    chooses_voltage_range: bool = True
    limit_a: float = 1.05e-4
    current_range_a: float = 1e-4
    chooses_current_range: bool = True
    nplc: float = 1.0
    count: int = 1
    four_wire: bool = False
    off_state: str = "NORM"
    output: bool = False


@final
class Keithley2450:
    """Source voltage, measure current."""

    def __init__(self, place: Place) -> None:
        self._serial = place.serial
        self._sample = place.sample
        self._wiring = place.wiring
        self._noise = place.sample.noise_source(place.serial)
        self._settings = _Settings()

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        return Traits(
            identity=f"KEITHLEY INSTRUMENTS,MODEL 2450,{self._serial},1.7.12b",
            error_queue_depth=100,
            error_reply=self._error_reply,
        )

    def commands(self, _status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        return (*self._source(), *self._limit(), *self._outputs(), *self._sense(), *self._readings())

    def reset(self) -> None:
        """Output off and every setting to its default."""
        self._settings = _Settings()
        self._wiring.set_live(f"{MODEL} {self._serial}", False)

    def trigger(self) -> None:
        """Refuse: no trigger model is running."""
        raise ScpiError(-211, "no trigger model waits for it")

    def _source(self) -> tuple[Command, ...]:
        source = ":SOURce#:VOLTage"
        return (
            *setting(":SOURce#:FUNCtion[:MODE]", Choice(("VOLTage",)), lambda: "VOLT", lambda _: None),
            *real_setting(
                f"{source}[:LEVel][:IMMediate][:AMPLitude]", _LEVEL, lambda: self._settings.level_v, self._set_level
            ),
            *real_setting(
                f"{source}:RANGe", _VOLTAGE_RANGE, lambda: self._settings.voltage_range_v, self._set_voltage_range
            ),
            *switch_setting(
                f"{source}:RANGe:AUTO", lambda: self._settings.chooses_voltage_range, self._set_voltage_auto
            ),
        )

    def _limit(self) -> tuple[Command, ...]:
        limit = ":SOURce#:VOLTage:ILIMit"
        return (
            *real_setting(
                f"{limit}[:LEVel]", _LIMIT, lambda: self._settings.limit_a, lambda v: self._change(limit_a=v)
            ),
            Command(f"{limit}[:LEVel]:TRIPped?", lambda: show_bool(self._is_limited())),
        )

    def _outputs(self) -> tuple[Command, ...]:
        return (
            *switch_setting(":OUTPut#[:STATe]", lambda: self._settings.output, self._set_output),
            *setting(
                ":OUTPut#:VOLTage:SMODe",
                _OFF_STATE,
                lambda: self._settings.off_state,
                lambda v: self._change(off_state=v),
            ),
        )

    def _sense(self) -> tuple[Command, ...]:
        sense = "[:SENSe#]:CURRent[:DC]"
        return (
            *setting("[:SENSe#]:FUNCtion[:ON]", _CURRENT, lambda: '"CURR:DC"', lambda _: None),
            *real_setting(
                f"{sense}:RANGe[:UPPer]", _RANGE, lambda: self._settings.current_range_a, self._set_current_range
            ),
            *switch_setting(
                f"{sense}:RANGe:AUTO",
                lambda: self._settings.chooses_current_range,
                lambda v: self._change(chooses_current_range=v),
            ),
            *real_setting(f"{sense}:NPLCycles", _NPLC, lambda: self._settings.nplc, lambda v: self._change(nplc=v)),
            *switch_setting(f"{sense}:RSENse", lambda: self._settings.four_wire, lambda v: self._change(four_wire=v)),
            *setting("[:SENSe#]:COUNt", _COUNT, lambda: str(self._settings.count), lambda v: self._change(count=v)),
        )

    def _readings(self) -> tuple[Command, ...]:
        accepted = (_BUFFER, _ELEMENT, _ELEMENT, _ELEMENT)
        return (
            Command(":READ?", self._read, accepted, optional=len(accepted)),
            Command(":MEASure:CURRent[:DC]?", self._read, accepted, optional=len(accepted)),
            *setting("*LANG", Choice(("SCPI",)), lambda: "SCPI", lambda _: None),
        )

    def _change(self, **changes: object) -> None:
        self._settings = replace(self._settings, **changes)

    def _set_level(self, level_v: float) -> None:
        settings = self._settings
        if settings.chooses_voltage_range:
            self._change(level_v=level_v, voltage_range_v=_range_for(level_v, _VOLTAGE_RANGES_V))
            return
        if abs(level_v) > settings.voltage_range_v * _OVER_RANGE:
            raise ScpiError(-222, f"{level_v:g} V does not fit the {settings.voltage_range_v:g} V range")
        self._change(level_v=level_v)

    def _set_voltage_range(self, largest_v: float) -> None:
        chosen_v = _range_for(largest_v, _VOLTAGE_RANGES_V)
        if abs(self._settings.level_v) > chosen_v * _OVER_RANGE:
            raise ScpiError(-221, f"the level, {self._settings.level_v:g} V, does not fit the {chosen_v:g} V range")
        self._change(voltage_range_v=chosen_v, chooses_voltage_range=False)

    def _set_voltage_auto(self, is_on: bool) -> None:
        fitting_v = _range_for(self._settings.level_v, _VOLTAGE_RANGES_V)
        self._change(
            chooses_voltage_range=is_on, voltage_range_v=fitting_v if is_on else self._settings.voltage_range_v
        )

    def _set_current_range(self, largest_a: float) -> None:
        self._change(current_range_a=_range_for(largest_a, _CURRENT_RANGES_A), chooses_current_range=False)

    def _set_output(self, is_on: bool) -> None:
        self._change(output=is_on)
        self._wiring.set_live(f"{MODEL} {self._serial}", is_on)

    def _wanted_current_a(self) -> float:
        """Return the current without compliance."""
        if not self._settings.output:
            return 0.0
        conductance_s = math.fsum(self._sample.conductance_s(device) for device in self._wiring.measured_devices())
        return self._settings.level_v * conductance_s

    def _is_limited(self) -> bool:
        return abs(self._wanted_current_a()) > self._settings.limit_a

    def _read(self, _buffer: str = "", *elements: str) -> str:
        """Measure `count` times and answer with the last reading, as the instrument does."""
        settings = self._settings
        limit_a = settings.limit_a
        current_a = min(max(self._wanted_current_a(), -limit_a), limit_a)
        if settings.chooses_current_range:
            self._change(current_range_a=_range_for(current_a, _CURRENT_RANGES_A))
            settings = self._settings
        self._sample.clock.advance(settings.count * settings.nplc / _LINE_FREQUENCY_HZ)
        noise_a = NOISE_OF_RANGE * settings.current_range_a / math.sqrt(settings.nplc)
        reading_a = current_a + noise_a * float(self._noise.standard_normal(settings.count)[-1])
        if abs(reading_a) > settings.current_range_a * _OVER_RANGE:
            reading_a = math.copysign(9.9e37, reading_a)  # SCPI's overflow
        shown = {"SOUR": settings.level_v, "READ": reading_a, "REL": self._sample.clock.now_s}
        return ",".join(show_real(shown[element]) for element in elements or ("READ",))

    def _error_reply(self, error: ScpiError) -> str:
        if error.code == 0:
            return '0,"No error;0;0 0"'
        text = error.text.replace('"', "'")
        return f'{error.code},"{text};1;{self._sample.clock.now_s:.3f}"'


def _range_for(value: float, ranges: tuple[float, ...]) -> float:
    return next((span for span in ranges if abs(value) <= span * _OVER_RANGE), ranges[-1])
