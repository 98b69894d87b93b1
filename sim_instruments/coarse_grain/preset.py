"""Presets: a compact `[sample.wall]` in a file of its own, with what it was derived from beside it.

A bench file says `preset = "compact.toml"` in its `[sample.wall]`, relative to itself; keys beside it go before the
preset's. The table `[derived]` of a preset is for readers and is not looked at.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

_IGNORED = "derived"
_HEAD = '# A preset of the compact wall model. `preset = "{name}"` in the [sample.wall] of a bench file loads it.\n\n'


class PresetError(ValueError):
    """A preset cannot be used; the message names the file."""


def load_preset(path: Path) -> dict[str, Any]:
    """Return a preset's `[sample.wall]`, unchecked.

    Raises:
        PresetError: if the file cannot be read, is no TOML, or holds something else than a wall and its derivation.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise PresetError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PresetError(f"{path}: not TOML: {error}") from error
    tables.pop(_IGNORED, None)
    sample = tables.get("sample")
    if set(tables) != {"sample"} or not isinstance(sample, dict) or set(sample) != {"wall"}:
        raise PresetError(f"{path}: a preset has a [sample.wall] and may have a [{_IGNORED}], nothing else")
    return sample["wall"]


def with_preset(wall: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a `[sample.wall]` with the preset that it names filled in; its own keys go before the preset's.

    Args:
        wall: the table as it stands in the bench file.
        folder: of the bench file.

    Raises:
        PresetError: if the preset cannot be used.
    """
    own = dict(wall)
    name = own.pop("preset", None)
    if name is None:
        return own
    if not isinstance(name, str):
        raise PresetError("sample.wall.preset: the path of a preset, as a string, was expected")
    return load_preset(folder / name) | own


def wall_table(parameters: Any) -> dict[str, Any]:
    """Return a model's parameters as a table of a TOML file: what is None is left out."""
    return _without_none(asdict(parameters))


def table_hash(table: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a table, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def write_preset(path: Path, wall: Mapping[str, Any], derived: Mapping[str, Any]) -> None:
    """Write a preset.

    Args:
        path: of the new file.
        wall: the `[sample.wall]`.
        derived: what it was derived from.
    """
    lines = _HEAD.format(name=path.name) + _toml({"sample": {"wall": wall}, _IGNORED: derived})
    path.write_text(lines, "utf-8")


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


def _toml(tables: Mapping[str, Any], place: str = "") -> str:
    """Write tables as TOML: values of a table, then the tables in it. There is no writer in the standard library."""
    plain = {key: value for key, value in tables.items() if not isinstance(value, Mapping)}
    text = "".join(f"{key} = {_value(value)}\n" for key, value in plain.items())
    if place and plain:
        text = f"[{place}]\n{text}\n"
    return text + "".join(
        _toml(value, f"{place}.{key}" if place else key) for key, value in tables.items() if key not in plain
    )


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    # JSON's strings, integers and truth values are TOML's too; so are Python's floats.
    return repr(value) if isinstance(value, float) else json.dumps(value)
