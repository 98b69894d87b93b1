"""What a run works with, found before anything moves: data, model, layers, arithmetic, and later the weight store."""

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn

from calibration import DeviceParameters, StaircaseConfig, calibrate, load_parameters
from drivers import Bench, BenchConfig, ConfigError, load_bench
from hil import arithmetic, data
from hil.config import Precision, RunConfig
from hil.execute import DeviceWeights
from hil.journal import Journal
from hil.mapping import DeviceLayer, map_layers
from hil.model import Stem, build_resnet18
from hil.publish import Publisher
from hil.run_directory import host_name
from hil.telemetry import InstrumentInfo, LayerInfo, Manifest, RunState
from hil.weights import DigitalWeights, WeightStore


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run works with."""

    config: RunConfig
    run_dir: Path
    dataset: data.Dataset
    batches: data.Batches
    model: nn.Module
    layers: tuple[DeviceLayer, ...]
    """Layers whose weights live on devices, or would if the run were not digital."""
    precision: Precision
    bench: BenchConfig | None
    """The bench to open; None for a digital run."""
    parameters: DeviceParameters | None
    """Device parameters from a file; None if they are to be learnt, or not needed."""

    @property
    def steps_total(self) -> int:
        """Return the steps of the whole run."""
        return self.config.epochs * self.batches.steps_per_epoch

    @property
    def model_name(self) -> str:
        """Return the model in words."""
        return f"ResNet-18, {self.config.model.stem} stem"

    @property
    def device_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters that live on devices, by name."""
        named = dict(self.model.named_parameters())
        return {layer.name: named[layer.name] for layer in self.layers}

    @property
    def digital_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that stay digital: batch normalisation and biases."""
        on_devices = self.device_parameters
        return [parameter for name, parameter in self.model.named_parameters() if name not in on_devices]


def prepare(config: RunConfig, run_dir: Path) -> Setting:
    """Find everything a run needs, short of opening the bench. Writes nothing.

    Raises:
        ConfigError: if something needed is missing.
    """
    if not config.digital and config.parameters is None and not config.calibrate:
        raise ConfigError(
            "training needs device parameters: "
            "give a calibration with --parameters FILE, or run one now with --calibrate"
        )
    bench = None if config.digital else load_bench(config.bench)
    file = None if config.calibrate or config.digital else config.parameters
    parameters = load_parameters(file) if file else None
    table = config.data
    dataset = data.load(data.Source(table.source), train=table.train, test=table.test, root=table.root)
    batches = data.Batches(dataset, batch_size=config.batch_size, seed=config.seed, device=torch.device("cpu"))
    model = build_resnet18(Stem(config.model.stem), classes=dataset.classes, seed=config.seed)
    layers = map_layers(model, range_sigmas=config.model.range_sigmas)
    precision = arithmetic.resolve(config.precision)
    return Setting(config, run_dir, dataset, batches, model, layers, precision, bench, parameters)


def device_parameters(setting: Setting, bench: Bench, publisher: Publisher) -> DeviceParameters:
    """Return the device parameters of the run, learning them from the bench if it says so. Calibrating moves walls."""
    parameters = setting.parameters
    if parameters is None:
        publisher.state(RunState.CALIBRATING, "calibrating the array")
        result = calibrate(bench, StaircaseConfig(), seed=setting.config.seed, progress=publisher.calibration)
        parameters = result.save(setting.run_dir / "parameters.json")
    if parameters.bench != bench.config.name:
        publisher.warning(f"the device parameters are of bench {parameters.bench!r}, this is {bench.config.name!r}")
    if not parameters.describes_data:
        publisher.warning("the device parameters do not describe their own calibration data: see its verdict")
    return parameters


def open_store(
    setting: Setting,
    bench: Bench | None,
    parameters: DeviceParameters | None,
    publisher: Publisher,
    stack: ExitStack,
) -> WeightStore:
    """Return the store of the weights: devices, or floating-point numbers if there is no bench. Moves nothing.

    Raises:
        ConfigError: if the array has too few devices.
    """
    config = setting.config
    if bench is None or parameters is None:
        return DigitalWeights(setting.device_parameters, seed=config.seed)
    journal = Journal(setting.run_dir / "journal.sqlite")
    stack.callback(journal.close)
    return DeviceWeights(
        bench.array,
        setting.layers,
        setting.device_parameters,
        parameters,
        journal,
        bits=config.update.bits,
        seed=config.seed,
        largest_bad_share=config.health.largest_bad_share,
        warn=publisher.warning,
    )


def describe(setting: Setting, bench: Bench | None) -> Manifest:
    """Return the manifest of the run."""
    config = setting.config
    placed = () if config.digital else setting.layers
    return Manifest(
        run_id=setting.run_dir.name,
        kind="train",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=sys.argv,
        pid=os.getpid(),
        host=host_name(),
        dataset=setting.dataset.name,
        model=setting.model_name,
        digital=config.digital,
        bench=bench.config.name if bench else "none",
        library=bench.config.library if bench else "none",
        steps_total=setting.steps_total,
        epochs=config.epochs,
        layers=[LayerInfo(name=one.name, shape=one.shape, first=one.first, devices=one.devices) for one in placed],
        instruments=_instruments(bench) if bench else [],
        config=config.model_dump(mode="json"),
    )


def _instruments(bench: Bench) -> list[InstrumentInfo]:
    found = []
    for status, instrument in zip(bench.statuses(), bench.instruments, strict=True):
        identity = instrument.identity
        text = f"{identity.manufacturer},{identity.model},{identity.serial},{identity.firmware}"
        found.append(InstrumentInfo(name=status.name, model=status.model, address=status.address, identity=text))
    return found
