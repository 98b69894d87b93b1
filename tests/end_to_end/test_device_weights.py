"""Weights on devices: what the model computes with is what the walls say, and what was compiled is what was fired."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from calibration import DeviceParameters, StaircaseConfig, calibrate
from drivers import Bench, InstrumentError, load_bench
from drivers.errors import ConfigError
from hil.execute import DeviceWeights
from hil.journal import Journal
from hil.mapping import DeviceLayer, in_device_order, map_layers
from hil.sgld import DivergedError, Target


@dataclass(frozen=True)
class Loaded:
    """A small network on a small bench."""

    model: nn.Module
    layers: tuple[DeviceLayer, ...]
    bench: Bench
    simulated: object
    parameters: DeviceParameters
    journal: Journal
    store: DeviceWeights


@pytest.fixture
def loaded(small_bench, tmp_path: Path) -> Iterator[Loaded]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 36, 5))
    model = model.to(memory_format=torch.channels_last)
    layers = map_layers(model, range_sigmas=6.0)
    with Bench.open(load_bench(small_bench.file)) as bench:
        parameters = calibrate(bench, StaircaseConfig(devices=200), seed=3).parameters
        bench.array.output_on()
        journal = Journal(tmp_path / "journal.sqlite")
        named = dict(model.named_parameters())
        on_devices = {layer.name: named[layer.name] for layer in layers}
        store = DeviceWeights(bench.array, layers, on_devices, parameters, journal, bits=7, seed=5)
        yield Loaded(model, layers, bench, small_bench.simulated, parameters, journal, store)
        journal.close()


def _give_gradients(model: nn.Module) -> None:
    images = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    model.zero_grad(set_to_none=True)
    model(images).square().mean().backward()


def _target(step: int = 0, noise_variance: float = 1e-8) -> Target:
    return Target(step=step, step_size=0.05, temperature=1e-3, weight_decay=0.0, noise_variance=noise_variance)


def test_initial_weights_reach_the_walls(loaded: Loaded):
    wanted = [in_device_order(p).clone() for name, p in loaded.model.named_parameters() if "bias" not in name]
    loaded.store.initialise()
    loaded.store.load()
    for layer, values in zip(loaded.layers, wanted, strict=True):
        achieved = in_device_order(dict(loaded.model.named_parameters())[layer.name])
        error = float((achieved - values).std() / values.std())
        assert 0 < error < 0.05  # the walls' own noise keeps it from zero


def test_a_wall_moved_behind_the_drivers_back_moves_the_model(loaded: Loaded):
    loaded.store.initialise()
    loaded.store.load()
    images = torch.ones(1, 3, 8, 8)
    before = loaded.model(images).detach()
    layer = loaded.layers[-1]
    loaded.simulated.sample.walls.position[layer.first + 7] = 1.0
    loaded.store.load()
    weight = in_device_order(dict(loaded.model.named_parameters())[layer.name])
    assert float(weight[7]) == pytest.approx(layer.weight_range, rel=0.01)
    assert not torch.equal(loaded.model(images).detach(), before)


def test_the_ledger_holds_exactly_what_was_compiled(loaded: Loaded):
    ledger = loaded.simulated.sample.ledger
    before = ledger.push_pulses, ledger.pull_pulses
    loaded.store.initialise()
    for step in range(3):
        loaded.store.load()
        _give_gradients(loaded.model)
        loaded.store.compile(_target(step))
        loaded.store.fire()
    fired = ledger.push_pulses - before[0], ledger.pull_pulses - before[1]
    assert fired == loaded.journal.delivered()
    assert sum(fired) == loaded.store.totals().pulses > 0
    assert loaded.journal.unsettled() == []


def test_the_ledger_holds_the_compiled_counts_of_every_device(loaded: Loaded):
    loaded.store.initialise()
    loaded.store.load()
    _give_gradients(loaded.model)
    loaded.store.compile(_target())
    compiled = [(c.push.copy(), c.pull.copy()) for c in loaded.store._compiled]
    loaded.store.fire()
    entries = list(loaded.simulated.sample.ledger.entries)[-len(compiled) :]
    for entry, (push, pull), layer in zip(entries, compiled, loaded.layers, strict=True):
        assert entry.first == layer.first
        assert np.array_equal(entry.push, push)
        assert np.array_equal(entry.pull, pull)


def test_achieved_changes_follow_requested_ones(loaded: Loaded):
    loaded.store.initialise()
    requested, achieved = [], []
    for step in range(40):
        loaded.store.load()
        sample = loaded.store.update_sample()
        if sample is not None:
            requested.append(sample["requested"].copy())
            achieved.append(sample["achieved"].copy())
        _give_gradients(loaded.model)
        loaded.store.compile(_target(step, noise_variance=0.0))
        loaded.store.fire()
    x, y = np.concatenate(requested).astype(float), np.concatenate(achieved).astype(float)
    slope = (x @ y) / (x @ x)
    residual = np.sqrt(np.mean((y - slope * x) ** 2) / (x @ x))
    # 128 devices stand for the array: their mean step is off by 8 % / sqrt(128) at one standard deviation.
    assert abs(slope - 1) < 4 * np.hypot(residual, 0.08 / np.sqrt(128))


def test_an_update_cannot_be_fired_twice(loaded: Loaded):
    loaded.store.initialise()
    loaded.store.load()
    _give_gradients(loaded.model)
    loaded.store.compile(_target())
    loaded.store.fire()
    pulses = loaded.simulated.sample.ledger.push_pulses
    with pytest.raises(RuntimeError, match="compile"):
        loaded.store.fire()
    assert loaded.simulated.sample.ledger.push_pulses == pulses


def test_an_intent_is_journalled_before_the_first_pulse(loaded: Loaded, monkeypatch: pytest.MonkeyPatch):
    loaded.store.initialise()
    loaded.store.load()
    _give_gradients(loaded.model)
    loaded.store.compile(_target())
    loaded.bench.array.output_off()  # the controller will refuse to fire
    with pytest.raises(InstrumentError):
        loaded.store.fire()
    assert len(loaded.journal.unsettled()) == 1
    loaded.bench.array.output_on()
    with pytest.raises(RuntimeError, match="compile"):
        loaded.store.fire()  # an update whose fate is unknown is never fired again


def test_an_array_that_is_too_small_is_refused_before_anything_moves(make_small_bench, loaded: Loaded):
    small = make_small_bench(devices=1024)
    named = dict(loaded.model.named_parameters())
    with Bench.open(load_bench(small.file)) as bench:
        array = bench.array
        with pytest.raises(ConfigError, match="devices are needed"):
            DeviceWeights(array, loaded.layers, named, loaded.parameters, loaded.journal, bits=7, seed=1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_fires_nothing(loaded: Loaded, value: float):
    loaded.store.initialise()
    loaded.store.load()
    _give_gradients(loaded.model)
    pulses = loaded.simulated.sample.ledger.push_pulses
    in_device_order(dict(loaded.model.named_parameters())[loaded.layers[-1].name].grad)[11] = value
    with pytest.raises(DivergedError, match=loaded.layers[-1].name):
        loaded.store.compile(_target())
    with pytest.raises(RuntimeError, match="compile"):
        loaded.store.fire()
    assert loaded.simulated.sample.ledger.push_pulses == pulses
