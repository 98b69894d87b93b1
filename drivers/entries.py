"""The tables of a bench file that describe one instrument: one for each role."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictFloat, StrictInt

STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
"""Unknown keys are refused, values do not change."""


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] <= pair[1]:
        raise ValueError("give [low, high] with low <= high")
    return pair


Range = Annotated[tuple[StrictFloat, StrictFloat], AfterValidator(_ordered)]
"""`[low, high]`, which narrows what the model can do."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]
"""What the instrument is called on this bench."""

Address = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[ -~]+$")]
"""VISA resource name."""

Serial = str | None
"""The only serial number that will do; None takes any."""


class PulseLimits(BaseModel):
    """`limits` of an instrument that makes pulses."""

    model_config = STRICT

    amplitude_v: Range | None = None
    """Smallest and largest pulse amplitude, volts."""
    width_s: Range | None = None
    """Shortest and longest pulse, seconds."""
    burst_energy_j: Annotated[StrictFloat, Field(gt=0)] = 1e-3
    """Most energy that one burst may put into one device, joules: pulses x width x amplitude squared / resistance."""


class SourceLimits(BaseModel):
    """`limits` of a source-measure unit."""

    model_config = STRICT

    voltage_v: Range | None = None
    """Lowest and highest level, volts."""
    compliance_a: Range | None = None
    """Smallest and largest compliance current, amperes."""


class PulseSourceEntry(BaseModel):
    """A pulse generator."""

    model_config = STRICT

    name: Name
    model: Literal["keysight-81160a", "keysight-33500b", "keysight-33600a", "bnc-577"]
    address: Address
    load_ohm: Annotated[
        StrictFloat,
        Field(ge=0.3, le=1e6, description="resistance of the write path, by which the generator scales its levels"),
    ]
    """Resistance of the write path, ohms: a wrong value is a wrong voltage at the device."""
    channel: Annotated[StrictInt, Field(ge=1, le=8)] = 1
    """Which output leads to the devices; A is 1."""
    pull_channel: Annotated[StrictInt, Field(ge=1, le=8)] | None = None
    """Output of a generator of one polarity that leads to the devices through an inverter; None where there is none."""
    expect_serial: Serial = None
    limits: PulseLimits = PulseLimits()


class SourceMeterEntry(BaseModel):
    """A source-measure unit."""

    model_config = STRICT

    name: Name
    model: Literal[
        "keithley-2400",
        "keithley-2450",
        "keithley-2601b",
        "keithley-2602b",
        "keithley-2611b",
        "keithley-2612b",
        "keithley-2635b",
        "keithley-2636b",
        "keysight-b2901a",
        "keysight-b2902a",
    ]
    address: Address
    channel: Annotated[StrictInt, Field(ge=1, le=2)] = 1
    """Which channel of a two-channel model leads to the devices; A is 1."""
    expect_serial: Serial = None
    limits: SourceLimits = SourceLimits()


class SwitchEntry(BaseModel):
    """A switch matrix."""

    model_config = STRICT

    name: Name
    model: Literal["keithley-7001", "keithley-7002", "keithley-707b"]
    address: Address
    expect_serial: Serial = None


class ArrayEntry(BaseModel):
    """An array controller."""

    model_config = STRICT

    name: Name
    model: Literal["dwa-1"]
    address: Address
    write_resistance_ohm: Annotated[StrictFloat, Field(gt=0)] = 2000.0
    """Resistance a programming pulse sees, ohms: turns volts into energy."""
    expect_serial: Serial = None
    limits: PulseLimits = PulseLimits()


InstrumentEntry = PulseSourceEntry | SourceMeterEntry | SwitchEntry | ArrayEntry
"""Any `[[instrument]]` table; `model` tells which."""
