"""The bench file: which instruments there are, where, and how far they may go.

TOML with a closed set of models; unknown keys are refused with their place. See `drivers/benches/default.toml`.
"""

import difflib
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    ValidationError,
    model_validator,
)

from drivers.errors import ConfigError
from drivers.protocols import Crosspoint

_STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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

    model_config = _STRICT

    amplitude_v: Range | None = None
    """Smallest and largest pulse amplitude, volts."""
    width_s: Range | None = None
    """Shortest and longest pulse, seconds."""


class SourceLimits(BaseModel):
    """`limits` of a source-measure unit."""

    model_config = _STRICT

    voltage_v: Range | None = None
    """Lowest and highest level, volts."""
    compliance_a: Range | None = None
    """Smallest and largest compliance current, amperes."""


class Keysight81160AEntry(BaseModel):
    """A Keysight 81160A pulse generator."""

    model_config = _STRICT

    name: Name
    model: Literal["keysight-81160a"]
    address: Address
    load_ohm: Annotated[
        StrictFloat,
        Field(ge=0.3, le=1e6, description="resistance of the write path, by which the generator scales its levels"),
    ]
    """Resistance of the write path, ohms: a wrong value is a wrong voltage at the device."""
    expect_serial: Serial = None
    limits: PulseLimits = PulseLimits()


class Keithley2450Entry(BaseModel):
    """A Keithley 2450 source-measure unit."""

    model_config = _STRICT

    name: Name
    model: Literal["keithley-2450"]
    address: Address
    expect_serial: Serial = None
    limits: SourceLimits = SourceLimits()


class Keithley7001Entry(BaseModel):
    """A Keithley 7001 switch system."""

    model_config = _STRICT

    name: Name
    model: Literal["keithley-7001"]
    address: Address
    expect_serial: Serial = None


class DwaEntry(BaseModel):
    """A DWA array controller."""

    model_config = _STRICT

    name: Name
    model: Literal["dwa-1"]
    address: Address
    expect_serial: Serial = None
    limits: PulseLimits = PulseLimits()


InstrumentEntry = Keysight81160AEntry | Keithley2450Entry | Keithley7001Entry | DwaEntry

_ENTRIES: dict[str, type[BaseModel]] = {
    "keysight-81160a": Keysight81160AEntry,
    "keithley-2450": Keithley2450Entry,
    "keithley-7001": Keithley7001Entry,
    "dwa-1": DwaEntry,
}
MODELS = tuple(_ENTRIES)
"""Every instrument model there is a driver for."""

_WIRED = {"keysight-81160a", "keithley-2450", "keithley-7001"}


class Wiring(BaseModel):
    """Which device hangs on which column of the switch card."""

    model_config = _STRICT

    slot: Annotated[StrictInt, Field(ge=1, le=2)]
    """Slot of the card."""
    pulse_row: Annotated[StrictInt, Field(ge=1, le=4)]
    """Row that the pulse source feeds."""
    measure_row: Annotated[StrictInt, Field(ge=1, le=4)]
    """Row that the source-measure unit reads."""
    devices: Annotated[tuple[Annotated[StrictInt, Field(ge=0, lt=2**32)], ...], Field(min_length=1, max_length=10)]
    """Array device on column 1, 2, ..."""

    @model_validator(mode="after")
    def _apart(self) -> "Wiring":
        if self.pulse_row == self.measure_row:
            raise ValueError("pulse_row and measure_row are the same row: give each its own")
        if len(set(self.devices)) != len(self.devices):
            raise ValueError("a device is named twice in devices")
        return self

    def pulse_crosspoint(self, device: int) -> Crosspoint:
        """Return the relay that joins a device to the pulse source."""
        return Crosspoint(slot=self.slot, row=self.pulse_row, column=self._column(device))

    def measure_crosspoint(self, device: int) -> Crosspoint:
        """Return the relay that joins a device to the source-measure unit."""
        return Crosspoint(slot=self.slot, row=self.measure_row, column=self._column(device))

    def _column(self, device: int) -> int:
        if device not in self.devices:
            raise ConfigError(
                f"device {device} is not wired: take one of {', '.join(map(str, self.devices))} or add it to [wiring]"
            )
        return self.devices.index(device) + 1


class BenchTable(BaseModel):
    """`[bench]`."""

    model_config = _STRICT

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """What people call the bench."""
    library: str = ""
    """PyVISA library specification; empty means PyVISA's own choice."""


class BenchFile(BaseModel):
    """The file as a whole."""

    model_config = _STRICT

    bench: BenchTable
    instrument: tuple[Annotated[InstrumentEntry, Field(discriminator="model")], ...]
    wiring: Wiring | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "BenchFile":
        if not self.instrument:
            raise ValueError("a bench has at least one [[instrument]]")
        _refuse_twins("name", [entry.name for entry in self.instrument])
        _refuse_twins("address", [entry.address for entry in self.instrument])
        if self.wiring is None and _WIRED.issubset(entry.model for entry in self.instrument):
            raise ValueError(
                "pulse source, source meter and switch need a [wiring] table that says which device is on which column"
            )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchConfig:
    """A bench as its file describes it."""

    name: str
    """What people call the bench."""
    library: str
    """PyVISA library specification; a file named in it has an absolute path."""
    instruments: tuple[InstrumentEntry, ...]
    """Instruments in the order of the file."""
    wiring: Wiring | None
    """What hangs on the switch; None without one."""
    origin: str
    """The file, for messages."""


def load_bench(path: Path | None = None) -> BenchConfig:
    """Read a bench file; None reads the one that ships.

    Raises:
        ConfigError: naming the file, the place and what is allowed there.
    """
    if path is None:
        return _parse(
            files("drivers").joinpath("benches/default.toml").read_text("utf-8"), "the shipped bench file", Path()
        )
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the bench file {path}: {error}") from error
    return _parse(text, str(path), path.resolve().parent)


def _parse(text: str, origin: str, folder: Path) -> BenchConfig:
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{origin} is not TOML: {error}") from error
    try:
        file = BenchFile.model_validate(data)
    except ValidationError as error:
        findings = (_finding(found["type"], found["loc"], found["msg"]) for found in error.errors(include_url=False))
        raise ConfigError("\n".join(f"{origin}: {finding}" for finding in findings)) from error
    return BenchConfig(
        name=file.bench.name,
        library=_resolved(file.bench.library, folder),
        instruments=file.instrument,
        wiring=file.wiring,
        origin=origin,
    )


def _resolved(library: str, folder: Path) -> str:
    """Return the specification with a relative file part made absolute: it is meant relative to the bench file."""
    path, _, backend = library.partition("@")
    # PyVISA takes the file part of `ivi` for a shared library, which the system's loader finds.
    if not (path and backend) or backend == "ivi" or Path(path).is_absolute():
        return library
    return f"{folder / path}@{backend}"


def _refuse_twins(what: str, values: list[str]) -> None:
    if twice := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"two instruments share the {what} {twice[0]!r}: give each its own")


def _finding(kind: str, place: tuple[int | str, ...], message: str) -> str:
    """Return one of pydantic's findings in our words: place, what is wrong, what is allowed."""
    keys = list(_table(place[:-1]).model_fields)
    match kind:
        case "extra_forbidden":
            return f"{_where(place[:-1])}: unknown key {place[-1]!r}{_suggestion(str(place[-1]), keys)}"
        case "missing" if place[-1] in keys:
            about = _table(place[:-1]).model_fields[str(place[-1])].description
            return f"{_where(place[:-1])}: the key {place[-1]!r} is missing" + (f": {about}" if about else "")
        case "union_tag_invalid" | "union_tag_not_found":
            return f"{_where(place)}: model must be one of {', '.join(MODELS)}"
        case _:
            return f"{_where(place)}: {message.removeprefix('Value error, ')}"


def _table(place: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model of the table at a place."""
    match place:
        case ("bench", *_):
            return BenchTable
        case ("wiring", *_):
            return Wiring
        case ("instrument", int(), "keithley-2450", "limits", *_):
            return SourceLimits
        case ("instrument", int(), str(), "limits", *_):
            return PulseLimits
        case ("instrument", int(), str(model), *_):
            return _ENTRIES[model]
        case _:
            return BenchFile


def _where(place: tuple[int | str, ...]) -> str:
    """Return a place as it is written in the file: tables in brackets, instruments counted from 1."""
    match place:
        case ():
            return "top level"
        case ("instrument", int(index), str(model), *keys):
            return " ".join((f"[[instrument]] number {index + 1} ({model})", ".".join(map(str, keys)))).rstrip()
        case ("instrument", int(index)):
            return f"[[instrument]] number {index + 1}"
        case _:
            table, *keys = place
            return " ".join((f"[{table}]", ".".join(map(str, keys)))).rstrip()


def _suggestion(key: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(key, allowed, n=1)
    return (f"; did you mean {near[0]!r}?" if near else ";") + f" allowed are {', '.join(allowed)}"
