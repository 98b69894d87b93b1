"""Instruments behind VISA: benches, the protocols that instruments fulfil, and the errors they raise.

>>> from drivers import Bench, load_bench
>>> with Bench.open(load_bench()) as bench:  # doctest: +SKIP
...     codes = bench.array.read_codes(0, 1000)
"""

from drivers.bench import Bench, Found, Status, discover
from drivers.config import BenchConfig, Wiring, load_bench
from drivers.errors import (
    ConfigError,
    DeviceFault,
    HilError,
    IdentityError,
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
