"""What simulated walls cost, as ratios within one run: `python benchmarks/physics.py [--json] [--threads N]`.

One update of every device of ResNet-18's size, in nanoseconds per device, beside

* the memory limit, `w -= lr * g` in torch,
* one float32 `torch.randn` of that size: the random numbers alone, as a sampler without devices takes them,
* aihwkit's pulsed update of a tile (ConstantStep, about one pulse on every device), where aihwkit is installed.

Goal: the compact update with any counts at any positions takes no longer than `torch.randn` on the same threads; aim: a
third of it. Everything is measured in turn, so that other work on the machine hits all alike. Times are wall-clock;
minimum and median of the rounds.
"""

import argparse
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import torch

from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.compact.walls import CompactWalls
from sim_instruments.physics.readout import ReadoutParameters, read_range
from sim_instruments.physics.walls import Drive

DEVICES = 11_160_000
DRIVE = Drive(push_amplitude_v=1.5, push_width_s=1.0e-7, pull_amplitude_v=1.5, pull_width_s=1.1e-7)
WALL: dict[str, Any] = {
    "track_length_m": 1e-5,
    "reference_amplitude_v": 1.5,
    "threshold_v": 0.5,
    "push_velocity_m_s": 0.040,
    "pull_velocity_m_s": 0.036,
    "push_fano_length_m": 2.0e-9,
    "pull_fano_length_m": 2.2e-9,
    "velocity_dtod": 0.08,
    "asymmetry_dtod": 0.01,
    "fano_dtod": 0.10,
}
MEMORY = {"memory_ratio": 0.6, "memory_length_m": 2e-8}
GAIN = {"push_gain_slope": 0.2, "pull_gain_slope": 0.1}
LAWS = ("gamma", "inverse-gaussian", "poisson", "compound-poisson")


class Bench:
    """Walls with their counts; each measured update begins at the same positions."""

    def __init__(self, count: int, largest: int, **changes: Any) -> None:
        random = np.random.default_rng(0)
        self.start = random.random(count, np.float32)
        self.push = random.integers(0, largest, count, np.uint8, endpoint=True)
        self.pull = random.integers(0, largest, count, np.uint8, endpoint=True)
        parameters = CompactParameters(**(WALL | changes))
        self.state = {one.name: np.full(count, one.initial, one.dtype) for one in CompactWalls.kept(parameters)}
        self.walls = CompactWalls(count, 1, parameters, self.state)
        self.event = 0

    def prepare(self) -> None:
        """Put the walls back."""
        self.walls.position[:] = self.start

    def update(self) -> None:
        """Fire at every device."""
        self.event += 1
        self.walls.pulse_range(0, self.push, self.pull, DRIVE, self.event)

    @property
    def bytes_per_device(self) -> float:
        """Return what is stored of a device: kept arrays and its own properties."""
        return sum(one.itemsize for one in self.state.values()) + 3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--devices", type=int, default=DEVICES)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    numba.set_num_threads(given.threads)
    torch.set_num_threads(given.threads)
    load = os.getloadavg()[0]
    times, stored = _measured(given.devices, given.rounds)
    goal = times["compact, counts 0 to 255"][0] / times["torch.randn"][0]
    found = {
        "devices": given.devices,
        "threads": given.threads,
        "load_1min": load,
        "ns_per_device": {name: {"min": low, "median": mid} for name, (low, mid) in times.items()},
        "bytes_per_device": stored,
        "ratio_to_randn": {name: low / times["torch.randn"][0] for name, (low, _) in times.items()},
        "goal": "compact, counts 0 to 255 <= torch.randn",
        "ok": goal <= 1,
        "aihwkit": "aihwkit tile" in times,
    }
    if given.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{given.devices:,} devices, {given.threads} threads, load {load:.1f} at the start; measured in turn\n")
    print(f"{'ns per device':34}{'min':>8}{'median':>9}{'/ randn':>9}{'bytes':>7}")
    for name, (low, mid) in times.items():
        ratio = f"{low / times['torch.randn'][0]:.2f}"
        print(f"{name:34}{low:8.2f}{mid:9.2f}{ratio:>9}{stored.get(name, ''):>7}")
    print(f"\ncompact / torch.randn: {goal:.2f}   goal <= 1   {'met' if goal <= 1 else 'MISSED'}")
    if "aihwkit tile" not in times:
        print("aihwkit is not installed: nothing to compare its pulsed update with")


def _measured(count: int, rounds: int) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    # What is slow is measured on fewer devices: it is as slow per device.
    few = max(1, count // 16)
    benches = {
        "compact, counts 0 to 255": Bench(count, 255),
        "compact, counts 0 to 8": Bench(count, 8),
        "  with gain": Bench(count, 255, **GAIN),
        "  with memory": Bench(count, 255, **MEMORY),
        **{f"  {law}": Bench(few, 255, law=law, **({"hop_cv": 0.5} if "compound" in law else {})) for law in LAWS},
    }
    weights, gradient, numbers = torch.zeros(count), torch.ones(count), torch.empty(count)
    law = ReadoutParameters(
        conductance_low_s=2e-4,
        conductance_high_s=4e-4,
        conductance_noise_s=4e-9,
        code_offset_s=1.5e-4,
        code_lsb_s=4.5e-9,
    )
    codes, position = np.empty(count, np.uint16), benches["compact, counts 0 to 255"].start
    measured: dict[str, tuple[Callable[[], object], Callable[[], object], int]] = {
        "memory limit, w -= lr g": (_nothing, lambda: weights.sub_(gradient, alpha=1e-3), count),
        "torch.randn": (_nothing, lambda: torch.randn(count, out=numbers), count),
        **{name: (bench.prepare, bench.update, len(bench.push)) for name, bench in benches.items()},
        "read-out": (_nothing, lambda: read_range(position, 0, codes, law, 1, 2), count),
    }
    if importlib.util.find_spec("aihwkit") is not None:
        measured["aihwkit tile"] = (_nothing, *_aihwkit_tile())
    times: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds + 1):
        for name, (prepare, do, devices) in measured.items():
            prepare()
            began_s = time.perf_counter()
            do()
            times[name].append((time.perf_counter() - began_s) / devices * 1e9)
    found = {name: (min(all_[1:]), statistics.median(all_[1:])) for name, all_ in times.items()}
    return found, {name: bench.bytes_per_device for name, bench in benches.items()}


def _nothing() -> None:
    pass


def _aihwkit_tile(size: int = 1024) -> tuple[Callable[[], object], int]:
    """Return one pulsed update of a tile whose desired change is about one pulse on every device."""
    from aihwkit.simulator.configs import SingleRPUConfig  # pyright: ignore[reportMissingImports]
    from aihwkit.simulator.configs.devices import ConstantStepDevice  # pyright: ignore[reportMissingImports]
    from aihwkit.simulator.tiles.analog import AnalogTile  # pyright: ignore[reportMissingImports]

    tile = AnalogTile(size, size, SingleRPUConfig(device=ConstantStepDevice()))
    tile.set_learning_rate(1e-3)
    inputs, gradients = torch.ones(1, size), torch.ones(1, size)
    return lambda: tile.update(inputs, gradients), size * size


if __name__ == "__main__":
    main()
