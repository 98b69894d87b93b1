"""Settings of the Keithley 2400, as *RST leaves them, and what the manual allows for them."""

import math
from dataclasses import dataclass
from typing import Final, Literal

from sim_instruments.scpi_parameter import Integer, QuotedChoice, Real

_VOLTAGE_RANGES_V = (0.2, 2.0, 20.0, 200.0)
_CURRENT_RANGES_A = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
OHM_RANGES = (20.0, 200.0, 2e3, 2e4, 2e5, 2e6, 2e7, 2e8)
RANGES = {"VOLT": _VOLTAGE_RANGES_V, "CURR": _CURRENT_RANGES_A, "RES": OHM_RANGES}
NAMES = {"VOLT": "VOLTage", "CURR": "CURRent", "RES": "RESistance"}
OTHER: Final[dict[str, Literal["VOLT", "CURR"]]] = {"VOLT": "CURR", "CURR": "VOLT"}
SENSE_HEADERS = {"VOLT": "VOLTage[:DC]", "CURR": "CURRent[:DC]", "RES": "RESistance"}
FUNCTIONS = QuotedChoice(("VOLTage:DC", "VOLTage", "CURRent:DC", "CURRent", "RESistance"))
SMALLEST_SHARE = 1e-3  # of its range that a compliance may be

# Power: up to 21 V there is 1.05 A, above it 105 mA.
LOW_V, HIGH_A = 21.0, 0.105


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSettings:
    """Settings of one quantity, as a source and as a meter, as *RST leaves them."""

    level: float = 0.0
    source_span: float
    chooses_source_span: bool = True
    protection: float
    sense_span: float
    chooses_sense_span: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralSettings:
    """Settings of the whole instrument as *RST leaves them."""

    source: Literal["VOLT", "CURR"] = "VOLT"
    senses: tuple[str, ...] = ("CURR",)
    is_concurrent: bool = True
    chooses_ohms: bool = False
    nplc: float = 1.0
    delay_s: float = 0.0
    chooses_delay: bool = True
    output: bool = False
    goes_off: bool = False
    off_state: str = "NORM"
    obeys_enable: bool = False
    remote: bool = False
    auto_zero: bool = True
    averages: bool = False
    average_count: int = 10
    average_kind: str = "REP"
    offset_compensated: bool = False
    front: bool = True
    protection_v: float = math.inf
    line_hz: float = 50.0
    chooses_line: bool = True
    shows: bool = True
    beeps: bool = True
    digits: int = 6


def default_functions() -> dict[str, FunctionSettings]:
    """Return the settings of volts, amperes and ohms after *RST."""
    return {
        "VOLT": FunctionSettings(source_span=20.0, protection=21.0, sense_span=20.0),
        "CURR": FunctionSettings(source_span=1e-4, protection=1.05e-4, sense_span=1e-4),
        "RES": FunctionSettings(source_span=0.0, protection=0.0, sense_span=2e5),
    }


LEVEL: Final = {
    "VOLT": Real(unit="V", low=-210.0, high=210.0, default=0.0),
    "CURR": Real(unit="A", low=-1.05, high=1.05, default=0.0),
}
TWICE: Final = {
    "VOLT": Real(unit="V", low=-420.0, high=420.0, default=0.0),
    "CURR": Real(unit="A", low=-2.1, high=2.1, default=0.0),
}
PROTECTION: Final = {
    "VOLT": Real(unit="V", low=-210.0, high=210.0, default=21.0),
    "CURR": Real(unit="A", low=-1.05, high=1.05, default=1.05e-4),
}
SPAN: Final = {
    "VOLT": Real(unit="V", low=-210.0, high=210.0, default=21.0),
    "CURR": Real(unit="A", low=-1.05, high=1.05, default=1.05e-4),
    "RES": Real(unit="OHM", low=0.0, high=2.1e8, default=2.1e5),
}
NPLC: Final = Real(low=0.01, high=10.0, default=1.0)
DELAY: Final = Real(unit="S", low=0.0, high=999.9999, default=0.0)
PITCH: Final = Real(unit="HZ", low=65.0, high=2e6, default=1000.0)
DURATION: Final = Real(unit="S", low=0.0, high=7.9, default=0.1)
MEMORY: Final = Integer(low=0, high=4)
