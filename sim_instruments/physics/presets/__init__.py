"""Materials by name, every number with its source.

Each is a TOML file of tables `[material.KEY]`, `[pinning.KEY]` and `[line.KEY]`: a value, a status and a source.

    reported      given in the source named; whether measured there or assumed is for the source to say
    derived       computed from reported numbers, the source says how
    placeholder   of a plausible size, to be replaced by a measured number

`[line]` holds what a `WriteLine` needs beside its length and width; it is there to be copied.
"""

import tomllib
from collections.abc import Callable
from functools import cache, partial
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from sim_instruments.physics.creep.pinning import Pinning
from sim_instruments.physics.material import Material

Status = Literal["reported", "derived", "placeholder"]

_Made = TypeVar("_Made")


class Number(BaseModel):
    """One number of a preset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    """In the unit that its key ends with."""
    status: Status
    source: str
    """Where it comes from, or for a placeholder why it has this size."""


class Preset(BaseModel):
    """One file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    material: dict[str, Number]
    """By field of `Material`."""
    pinning: dict[str, Number]
    """By field of `Pinning`."""
    line: dict[str, Number]
    """By field of `WriteLine`."""


def preset_names() -> list[str]:
    """Return the names of the presets that ship."""
    return sorted(file.name.removesuffix(".toml") for file in _folder().iterdir() if file.name.endswith(".toml"))


@cache
def preset(name: str) -> Preset:
    """Return one preset with its sources.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in preset_names():
        raise ValueError(f"no material is called {name!r}: choose one of {', '.join(preset_names())}, or give a table")
    table = tomllib.loads((_folder() / f"{name}.toml").read_text(encoding="utf-8"))
    return Preset.model_validate(table)


def material(name: str) -> Material:
    """Return a preset's film. ValueError if there is none of this name."""
    return Material(**_values(preset(name).material))


def pinning(name: str) -> Pinning:
    """Return a preset's disorder. ValueError if there is none of this name."""
    return Pinning(**_values(preset(name).pinning))


def _folder() -> Traversable:
    return resources.files(__name__)


def _values(numbers: dict[str, Number]) -> dict[str, float]:
    return {key: number.value for key, number in numbers.items()}


def _named(make: Callable[[str], _Made], values_of: Callable[[str], dict[str, float]], given: Any) -> Any:
    """Turn what a bench file gives into what the field holds, or into a whole table."""
    if isinstance(given, str):
        return make(given)
    if isinstance(given, dict) and "preset" in given:
        return values_of(str(given["preset"])) | {key: value for key, value in given.items() if key != "preset"}
    return given


NamedMaterial = Annotated[
    Material, BeforeValidator(partial(_named, material, lambda name: _values(preset(name).material)))
]
"""A `Material` that a bench file gives as a preset's name, as a table, or as a table with `preset` and what differs."""

NamedPinning = Annotated[Pinning, BeforeValidator(partial(_named, pinning, lambda name: _values(preset(name).pinning)))]
"""The same for `Pinning`."""
