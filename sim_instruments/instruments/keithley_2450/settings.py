"""Settings of the Keithley 2450, as *RST leaves them, and what the manual allows for them."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from sim_instruments.instruments.keithley_2450.traces import UNITS
from sim_instruments.scpi_parameter import Choice, Integer, QuotedChoice, Real

INTERLOCK_V: Final = 42.0
"""Most that the output gives while the interlock is open."""

LIST_LENGTH: Final = 2500
"""Values that a source list holds."""
LIST_MESSAGE: Final = 100
"""Values that one message may carry."""

_VOLTAGE_RANGES_V = (0.02, 0.2, 2.0, 20.0, 200.0)
_CURRENT_RANGES_A = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
OHM_RANGES = (20.0, 200.0, 2e3, 2e4, 2e5, 2e6, 2e7, 2e8)
UNIT_CODES = {key: code for code, key in enumerate(UNITS)}

NPLC = Real(low=0.01, high=10.0, default=1.0)
DELAY = Real(unit="S", low=0.0, high=1e4, default=0.0)
COUNT = Integer(low=1, high=300_000)
USERS = range(1, 6)
SENSED = QuotedChoice(("CURRent", "CURRent:DC", "VOLTage", "VOLTage:DC", "RESistance"))
OFF_STATE = Choice(("NORMal", "HIMPedance", "ZERO", "GUARd"))
RANGE_KIND = Choice(("AUTO", "BEST", "FIXed"))
POINTS = Integer(low=2, high=1_000_000)
MOST_SWEPT = 100_000  # points of all passes of a sweep
SWEPT_DELAY = Real(unit="S", low=-1.0, high=1e4, default=-1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """Settings of one source function as *RST leaves them."""

    level: float = 0.0
    span: float
    chooses_span: bool = True
    limit: float
    delay_s: float = 0.0
    chooses_delay: bool = True
    reads_back: bool = True
    protection: str = "NONE"
    high_capacitance: bool = False
    off_state: str = "NORM"
    users_s: tuple[float, ...] = (0.0,) * len(USERS)
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SenseSettings:
    """Settings of one measuring function as *RST leaves them."""

    span: float
    chooses_span: bool = True
    nplc: float = 1.0
    four_wire: bool = False
    auto_zero: bool = True
    averages: bool = False
    average_count: int = 10
    average_kind: str = "REP"
    offset_compensated: bool = False
    unit: str
    users_s: tuple[float, ...] = (0.0,) * len(USERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralSettings:
    """Settings of the whole instrument as *RST leaves them."""

    source: Literal["VOLT", "CURR"] = "VOLT"
    sense: str = "CURR"
    count: int = 1
    output: bool = False
    terminals: str = "FRON"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What INITiate runs."""

    levels: NDArray[np.float64] | None
    """Levels of a sweep, which switches the output on and off; None measures at the present level."""
    count: int
    """Passes of a sweep, or readings."""
    delay_s: float
    """Time from a level to its reading."""
    stops_at_limit: bool
    """Whether a sweep ends at the first reading that the limit holds."""
    buffer: str
    """Where the readings go."""


def default_sources() -> dict[str, SourceSettings]:
    """Return the settings of both source functions after *RST."""
    return {"VOLT": SourceSettings(span=0.02, limit=1.05e-4), "CURR": SourceSettings(span=1e-8, limit=21.0)}


def default_senses() -> dict[str, SenseSettings]:
    """Return the settings of the three measuring functions after *RST."""
    return {
        "CURR": SenseSettings(span=1e-4, unit="AMP"),
        "VOLT": SenseSettings(span=20.0, unit="VOLT"),
        "RES": SenseSettings(span=2e5, unit="OHM"),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFunction:
    """What the manual says of one function."""

    key: str
    """Its short form."""
    header: str
    """Its keyword."""
    level: Real
    span: Real
    limit: Real
    limit_header: str
    """The keyword of its limit."""


SOURCE_FUNCTIONS: Final = (
    SourceFunction(
        key="VOLT",
        header="VOLTage",
        level=Real(unit="V", low=-210.0, high=210.0, default=0.0),
        span=Real(unit="V", low=-210.0, high=210.0, default=0.02),
        limit=Real(unit="A", low=1e-9, high=1.05, default=1.05e-4),
        limit_header="ILIMit",
    ),
    SourceFunction(
        key="CURR",
        header="CURRent",
        level=Real(unit="A", low=-1.05, high=1.05, default=0.0),
        span=Real(unit="A", low=-1.05, high=1.05, default=1e-8),
        limit=Real(unit="V", low=0.02, high=210.0, default=21.0),
        limit_header="VLIMit",
    ),
)
RANGES: Final = {"VOLT": _VOLTAGE_RANGES_V, "CURR": _CURRENT_RANGES_A, "RES": OHM_RANGES}
SENSE_FUNCTIONS: Final = {
    "CURR": ("CURRent[:DC]", Real(unit="A", low=-1.05, high=1.05, default=1e-4)),
    "VOLT": ("VOLTage[:DC]", Real(unit="V", low=-210.0, high=210.0, default=20.0)),
    "RES": ("RESistance", Real(unit="OHM", low=0.0, high=2.1e8, default=2e5)),
}

PROGRAM: Final = QuotedChoice(("SimpleLoop", "Empty"))
EVENT: Final = Integer(low=0, high=65535)
PITCH: Final = Real(unit="HZ", low=20.0, high=8000.0, default=1000.0)
DURATION: Final = Real(unit="S", low=0.001, high=100.0, default=0.1)
LIGHT: Final = Choice(("ON100", "ON75", "ON50", "ON25", "OFF", "BLACkout"))
SCREEN: Final = Choice(("HOME", "HOME_LARGe_reading", "READing_table", "GRAPh", "HISTogram", "PLOT_SWIPE", "SOURce"))
PROTECTION: Final = Choice(
    ("PROT2", "PROT5", "PROT10", "PROT20", "PROT40", "PROT60", "PROT80", "PROT100", "PROT120", "PROT140", "PROT160",
     "PROT180", "NONE")
)  # fmt: skip
