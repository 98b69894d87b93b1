"""The bench file: which instruments there are, where, and how far they may go.

TOML with a closed set of models; unknown keys are refused with their place. See `drivers/benches/default.toml`.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, StrictInt, ValidationError, model_validator

from drivers.entries import (
    STRICT,
    InstrumentEntry,
    PulseLimits,
    PulseSourceEntry,
    SourceLimits,
    SourceMeterEntry,
    SwitchEntry,
)
from drivers.errors import ConfigError
from drivers.models import MODELS
from drivers.protocols import Crosspoint

_WIRED = {PulseSourceEntry, SourceMeterEntry, SwitchEntry}


class Wiring(BaseModel):
    """Which device hangs on which column of the switch card."""

    model_config = STRICT

    slot: Annotated[StrictInt, Field(ge=1, le=10)]
    """Slot of the card."""
    pulse_row: Annotated[StrictInt, Field(ge=1, le=8)]
    """Row that the pulse source feeds."""
    measure_row: Annotated[StrictInt, Field(ge=1, le=8)]
    """Row that the source-measure unit reads."""
    devices: Annotated[tuple[Annotated[StrictInt, Field(ge=0, lt=2**32)], ...], Field(min_length=1, max_length=12)]
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

    model_config = STRICT

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """What people call the bench."""
    library: str = ""
    """PyVISA library specification; empty means PyVISA's own choice."""


class BenchFile(BaseModel):
    """The file as a whole."""

    model_config = STRICT

    bench: BenchTable
    instrument: tuple[Annotated[InstrumentEntry, Field(discriminator="model")], ...]
    wiring: Wiring | None = None

    @model_validator(mode="after")
    def _consistent(self) -> "BenchFile":
        if not self.instrument:
            raise ValueError("a bench has at least one [[instrument]]")
        _refuse_twins("name", [entry.name for entry in self.instrument])
        _refuse_twins("address", [entry.address for entry in self.instrument])
        if self.wiring is None and _WIRED.issubset(type(entry) for entry in self.instrument):
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
        if "sample" in data and "bench" not in data:
            raise ConfigError(
                f"{origin} describes a simulated bench, not a bench: give the file that has "
                f'`library = "{Path(origin).name}@domainwall"` in its [bench] table'
            ) from error
        found = error.errors(include_url=False)
        findings = (_finding(item["type"], item["loc"], item["msg"], item.get("ctx", {})) for item in found)
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


def _finding(kind: str, place: tuple[int | str, ...], message: str, context: Mapping[str, object]) -> str:
    """Return one of pydantic's findings in our words: place, what is wrong, what is allowed."""
    keys = list(_table(place[:-1]).model_fields)
    match kind:
        case "extra_forbidden":
            return f"{_where(place[:-1])}: unknown key {place[-1]!r}{_suggestion(str(place[-1]), keys)}"
        case "missing" if place[-1] in keys:
            about = _table(place[:-1]).model_fields[str(place[-1])].description
            return f"{_where(place[:-1])}: the key {place[-1]!r} is missing" + (f": {about}" if about else "")
        case "union_tag_invalid":
            tag = str(context.get("tag"))
            return f"{_where(place)}: there is no model {tag!r}{_suggestion(tag, list(MODELS))}"
        case "union_tag_not_found":
            return f"{_where(place)}: the key 'model' is missing; allowed are {', '.join(MODELS)}"
        case _:
            return f"{_where(place)}: {message.removeprefix('Value error, ')}"


def _table(place: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the model of the table at a place."""
    match place:
        case ("bench", *_):
            return BenchTable
        case ("wiring", *_):
            return Wiring
        case ("instrument", int(), str(model), "limits", *_):
            return SourceLimits if MODELS[model].entry is SourceMeterEntry else PulseLimits
        case ("instrument", int(), str(model), *_):
            return MODELS[model].entry
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
