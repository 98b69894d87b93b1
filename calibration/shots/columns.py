"""What a laboratory's own table holds, said in a small TOML file: which column is what, and what no column says."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from calibration.protocols import Route
from drivers.errors import ConfigError

_PREFIXES: Final = {"": 1.0, "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3}
_PREFIXES_UP: Final = {"k": 1e3, "M": 1e6, "G": 1e9}
_BASES: Final = ("V", "s", "S", "K", "ohm", "Ohm", "Ω", "Ω")
_RECIPROCAL: Final = ("ohm", "Ohm", "Ω", "Ω")

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


@final
class Column(_Table):
    """One column: its name alone, or a table with its unit or a factor."""

    name: str
    """Name in the first line of the table."""
    unit: str | None = None
    """Unit with a prefix, such as `ns`, `mV`, `uS` or `kohm`; SI without prefix if absent. Ohms become siemens."""
    scale: Positive | None = None
    """Factor that makes the numbers SI, instead of a unit."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.unit is not None and self.scale is not None:
            raise ValueError("give unit or scale, not both")
        self.factor  # noqa: B018  (a wrong unit is found here)
        return self

    @property
    def base(self) -> str | None:
        """Return the unit without its prefix, None if none is named."""
        return next((base for base in _BASES if self.unit and self.unit.endswith(base)), None)

    @property
    def factor(self) -> float:
        """Return what takes the numbers to the unit without prefix."""
        if self.unit is None:
            return self.scale or 1.0
        factor = (_PREFIXES | _PREFIXES_UP).get(self.unit.removesuffix(self.base)) if self.base else None
        if factor is None:
            raise ValueError(f"unit {self.unit!r} is not known; write for example ns, mV, uS or kohm, or give a scale")
        return factor

    @property
    def is_resistance(self) -> bool:
        """Return whether the numbers are resistances, whose reciprocal is wanted."""
        return self.base in _RECIPROCAL


@final
class PolarityColumn(_Table):
    """A column that says the direction in words or signs."""

    name: str
    """Name in the first line of the table."""
    push: str
    """What stands there for pulses that raise the conductance."""
    pull: str
    """What stands there for pulses that lower it."""


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


AnyColumn = Annotated[Column, BeforeValidator(_named)]


@final
class ColumnNames(_Table):
    """`[columns]`: which column of the table is what."""

    device: AnyColumn
    """Number or name of the device."""
    amplitude: AnyColumn
    """Amplitude of the pulses; its sign is the direction unless `polarity` is named."""
    width: AnyColumn
    """Width of the pulses."""
    pulses: AnyColumn
    """Number of pulses; 0 for a reading without pulses."""
    before: AnyColumn
    """Conductance, or resistance, read before the pulses."""
    after: AnyColumn
    """The same after them."""
    polarity: PolarityColumn | None = None
    """The direction, where the amplitude has no sign."""
    push: Literal["positive", "negative"] = "positive"
    """Sign of the amplitude that raises the conductance."""
    time: AnyColumn | None = None
    """When the reading after the pulses was taken; rows are then put in this order, else they stand in order."""
    temperature: AnyColumn | None = None
    """Temperature of the sample."""
    read_voltage: AnyColumn | None = None
    """Voltage of the readings."""

    @model_validator(mode="after")
    def _check_units(self) -> Self:
        allowed = {"amplitude": "V", "width": "s", "time": "s", "temperature": "K", "read_voltage": "V"}
        for role, column in self.numbers.items():
            fits = (
                column.base in ("S", *_RECIPROCAL) if role in ("before", "after") else column.base == allowed.get(role)
            )
            if column.unit is not None and not fits:
                raise ValueError(f"{role}: {column.unit} is no unit of it")
        return self

    @property
    def numbers(self) -> dict[str, Column]:
        """Return the columns of numbers by what they mean."""
        return {role: value for role, value in self if isinstance(value, Column) and role != "device"}

    @property
    def names(self) -> dict[str, str]:
        """Return the names of all columns by what they mean."""
        found = {role: value.name for role, value in self if isinstance(value, Column)}
        return found | ({"polarity": self.polarity.name} if self.polarity else {})


@final
class CsvStyle(_Table):
    """`[csv]`: how a CSV file is written."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """What stands between two cells."""
    decimal: Literal[".", ","] = "."
    """The decimal mark."""
    encoding: str = "utf-8-sig"
    """Encoding of the text."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.delimiter == self.decimal:
            raise ValueError(f'both delimiter and decimal are "{self.decimal}"; most such files have delimiter = ";"')
        return self


@final
class Ends(_Table):
    """`[ends]`: conductances of a device whose wall stands at an end stop."""

    low_s: Positive
    """At the low end, siemens."""
    high_s: Positive
    """At the high end, siemens."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.low_s < self.high_s:
            raise ValueError(f"low_s {self.low_s:g} must lie below high_s {self.high_s:g}")
        return self


@final
class Wanted(_Table):
    """`[fit]`: what the parameters are to be about, and what no column says."""

    amplitude_v: Positive | None = None
    """Magnitude of the pulses to fit, volts; needed where the table holds several."""
    reference_width_s: Positive | None = None
    """Width that one pulse is quoted at, seconds; by default 1 us if measured, else the longest."""
    read_noise_s: Positive | None = None
    """Standard deviation of one reading, siemens; needed where the table holds no readings without pulses."""
    resolution_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Smallest difference of two readings, siemens; 0 if it is far below the noise."""
    margin: Annotated[float, Field(gt=0, le=0.1)] = 0.04
    """Distance from an end stop, fraction of the track, that a usable shot keeps."""
    bench: str | None = None
    """Name of the bench that the devices belong to; by default the name of the table."""
    route: Route = Route.BENCH
    """The way to the devices."""
    measured: datetime | None = None
    """When; by default the date of the file."""

    @field_validator("measured")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


@final
class Description(_Table):
    """A table described: the whole TOML file."""

    columns: ColumnNames
    """Which column is what."""
    csv: CsvStyle = CsvStyle()
    """How a CSV file is written."""
    ends: Ends | None = None
    """Conductances at the end stops; by default the lowest and the highest readings of each device."""
    fit: Wanted = Wanted()
    """What to fit."""


def load_description(path: Path) -> Description:
    """Read the description of a table.

    Raises:
        ConfigError: the file cannot be read, or a key of it is missing, unknown or wrong; the message names it.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); name the columns of the table there") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no TOML: {error}") from None
    try:
        return Description.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {_complaint(item)}" for item in error.errors())) from None


def _complaint(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "missing":
        return f"{place} is missing; say which column of the table it is"
    if item["type"] == "extra_forbidden":
        return f"{place} is not known; see docs/own-data.md for the keys"
    return f"{place}: {item['msg']}"
