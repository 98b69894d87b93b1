"""A run described in a file: TOML to frozen values, unknown keys refused with their place."""

import tomllib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drivers.errors import ConfigError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Precision(StrEnum):
    """Arithmetic of the forward and backward passes; weights and updates are float32 in any case."""

    AUTO = "auto"
    """bfloat16 autocast where the processor has instructions for it, else float32."""
    BF16 = "bf16"
    FP32 = "fp32"


class StepSizeShape(StrEnum):
    """How the step size goes on after warm-up."""

    COSINE = "cosine"
    CONSTANT = "constant"


class DataTable(_Table):
    """`[data]`: the images."""

    source: Literal["digits", "cifar10", "npz"] = "digits"
    """`digits`, `cifar10` or `npz`."""
    train: Path | None = None
    """Training file of an npz source."""
    test: Path | None = None
    """Test file of an npz source."""
    root: Path | None = None
    """Where torchvision keeps its downloads."""


class ModelTable(_Table):
    """`[model]`: the network."""

    stem: Literal["torchvision", "cifar"] = "torchvision"
    """`torchvision` (7x7, max-pool) or `cifar` (3x3)."""
    range_sigmas: Positive = 6.0
    """Half the weight range of a layer, in standard deviations of its initial weights."""


class SamplerTable(_Table):
    """`[sampler]`: stochastic gradient Langevin dynamics."""

    step_size: Positive = 0.1
    """eta, on the mean loss, after warm-up."""
    step_size_shape: StepSizeShape = StepSizeShape.COSINE
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of all steps spent on a linear rise of the step size."""
    temperature: NotNegative = 1e-3
    """T at the end (and at the start, unless `temperature_start` is given)."""
    temperature_start: NotNegative | None = None
    """T at the first step; from there a straight line to `temperature`."""
    weight_decay: NotNegative = 5e-4
    """lambda: precision of the Gaussian prior over N."""


class UpdateTable(_Table):
    """`[update]`: the pulse compiler."""

    bits: Annotated[int, Field(ge=2, le=8)] = 7
    """Update precision B: net pulses per step lie in -(2^(B-1)-1) ... 2^(B-1)-1, full scale is the layer's largest
    drift."""


class HealthTable(_Table):
    """`[health]`: devices that keep no weight."""

    largest_bad_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the weights that may be on open or short devices. Those are masked; more are refused."""


class RunConfig(_Table):
    """A training run."""

    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 1
    epochs: Count = 12
    batch_size: Count = 128
    precision: Precision = Precision.AUTO
    digital: bool = False
    """Train floating-point weights by ideal SGLD instead of devices: the comparison, same loop and schedule."""
    bench: Path | None = None
    """Bench file; the simulated bench that ships if absent."""
    parameters: Path | None = None
    """Device parameters from a calibration of that bench."""
    calibrate: bool = False
    """Calibrate the array first and use the result."""
    data: DataTable = DataTable()
    model: ModelTable = ModelTable()
    sampler: SamplerTable = SamplerTable()
    update: UpdateTable = UpdateTable()
    health: HealthTable = HealthTable()


def load_run(path: Path | None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run file and apply overrides.

    Args:
        path: TOML file, or None for the defaults. Paths in it are relative to its folder.
        overrides: `section.key=value`, values in TOML notation (bare words are taken as strings).

    Raises:
        ConfigError: naming the file or override, the key and what is wrong with it.
    """
    content: dict[str, Any] = {}
    if path is not None:
        content = _read_toml(path)
        _anchor_paths(content, path.parent)
    for override in overrides:
        _apply(content, override)
    try:
        return RunConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(_complaints(error, path))) from None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _anchor_paths(content: dict[str, Any], folder: Path) -> None:
    for table, keys in ((content, ("bench", "parameters")), (content.get("data"), ("train", "test", "root"))):
        for key in keys:
            if isinstance(table, dict) and isinstance(table.get(key), str):
                table[key] = str(folder / Path(table[key]).expanduser())


def _apply(content: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    *sections, key = name.strip().split(".")
    if not equals or not key:
        raise ConfigError(f"--set {override!r}: write section.key=value, for example --set sampler.temperature=1e-4")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    table = content
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"--set {override!r}: {section} is a value, not a section")
    table[key] = value


def _complaints(error: ValidationError, path: Path | None) -> list[str]:
    place = str(path) if path else "run options"
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        known = ""
        if item["type"] == "extra_forbidden":
            known = f"; known here: {', '.join(_keys_beside(item['loc']))}"
        lines.append(f"{place}: {key}: {item['msg']}{known}")
    return lines


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = RunConfig
    for part in location[:-1]:
        annotation = model.model_fields[str(part)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        model = annotation
    return sorted(model.model_fields)
