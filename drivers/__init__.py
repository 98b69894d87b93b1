"""Instruments behind VISA: benches, the protocols that instruments fulfil, and the errors they raise.

>>> from drivers import Bench, load_bench
>>> with Bench.open(load_bench()) as bench:  # doctest: +SKIP
...     codes = bench.array.read_codes(0, 1000)
"""

from drivers.bench import Bench, Status
from drivers.config import BenchConfig, Wiring, load_bench
from drivers.discovery import Found, discover
from drivers.errors import (
    ConfigError,
    DeviceFault,
    HilError,
    IdentityError,
    InstrumentBusy,
    InstrumentError,
    LimitError,
    LinkDesync,
    LinkError,
    LinkLost,
    LinkTimeout,
    RunCorrupt,
    SafeStateError,
    SettingsChanged,
)
from drivers.limits import Limit
from drivers.protocols import (
    ArrayProgrammer,
    ConductanceScale,
    Cost,
    Crosspoint,
    Delivery,
    Identity,
    Instrument,
    Polarity,
    Pulse,
    PulseSource,
    PulseTrain,
    Quality,
    Reading,
    Readings,
    SourceMeter,
    Switch,
)

__all__ = [
    "ArrayProgrammer",
    "Bench",
    "BenchConfig",
    "ConductanceScale",
    "ConfigError",
    "Cost",
    "Crosspoint",
    "Delivery",
    "DeviceFault",
    "Found",
    "HilError",
    "Identity",
    "IdentityError",
    "Instrument",
    "InstrumentBusy",
    "InstrumentError",
    "Limit",
    "LimitError",
    "LinkDesync",
    "LinkError",
    "LinkLost",
    "LinkTimeout",
    "Polarity",
    "Pulse",
    "PulseSource",
    "PulseTrain",
    "Quality",
    "Reading",
    "Readings",
    "RunCorrupt",
    "SafeStateError",
    "SettingsChanged",
    "SourceMeter",
    "Status",
    "Switch",
    "Wiring",
    "discover",
    "load_bench",
]
