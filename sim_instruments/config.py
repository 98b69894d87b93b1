"""The bench file: TOML in, checked values out. Unknown keys are refused with their place."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sim_instruments.coarse_grain.preset import PresetError, with_preset
from sim_instruments.sample import SampleConfig
from sim_instruments.wiring import WiringConfig


class BenchFileError(ValueError):
    """A bench file cannot be used; the message names the file and the key."""


class InstrumentConfig(BaseModel):
    """`[[instrument]]`: one twin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    """Which twin."""
    address: str
    """VISA resource name."""
    serial: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
    """Serial number in the identity."""
    interlock: Literal["closed", "open"] = "closed"
    """State of the safety interlock, where the model has one: high ranges need it closed."""


class YamlConfig(BaseModel):
    """`[yaml]`: plain instruments without physics, as pyvisa-sim describes them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    """The YAML file, relative to the bench file."""


class BenchConfig(BaseModel):
    """A whole simulated bench."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sample: SampleConfig
    wiring: WiringConfig
    instrument: tuple[InstrumentConfig, ...] = ()
    yaml: YamlConfig | None = None

    @model_validator(mode="after")
    def _wiring_leads_to_devices(self) -> "BenchConfig":
        for device in self.wiring.devices:
            if device >= self.sample.devices:
                raise ValueError(f"wiring.devices: there is no device {device} in a sample of {self.sample.devices}")
        return self


def read_bench_file(path: Path) -> BenchConfig:
    """Read a bench file.

    Raises:
        BenchFileError: if it is missing, not TOML, or holds a key or value that is not allowed.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BenchFileError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BenchFileError(f"{path}: not TOML: {error}") from error
    try:
        _fill_in_preset(tables, path.parent)
    except PresetError as error:
        raise BenchFileError(f"{path}: {error}") from error
    try:
        return BenchConfig.model_validate(tables)
    except ValidationError as error:
        if "bench" in tables and "sample" not in tables:
            raise BenchFileError(
                f"{path}: this describes a laboratory, not a simulated bench, which has a [sample]: give the file that "
                "its `library` names"
            ) from error
        places = (f"{_place(item['loc'])}: {item['msg']}" for item in error.errors())
        raise BenchFileError(f"{path}: " + "; ".join(places)) from error


def _fill_in_preset(tables: dict[str, Any], folder: Path) -> None:
    sample = tables.get("sample")
    if isinstance(sample, dict) and isinstance(sample.get("wall"), dict):
        sample["wall"] = with_preset(sample["wall"], folder)


def _place(location: tuple[int | str, ...]) -> str:
    """Return the key as the file has it: the name of the walls' model, which pydantic puts behind `wall`, is no key."""
    keys = [str(key) for before, key in zip(("", *location), location, strict=False) if before != "wall"]
    return ".".join(keys) or "file"
