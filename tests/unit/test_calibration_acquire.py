"""Acquisition through both routes on a bench made up here: walls that take gamma-distributed steps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calibration import Route, StaircaseConfig, calibrate
from drivers.config import Wiring
from drivers.errors import DeviceFault, InstrumentError, LimitError
from drivers.protocols import ConductanceScale, Crosspoint, Delivery, Identity, Polarity, Pulse, Quality, Reading

LOW_S, HIGH_S = 2e-4, 4e-4
MU, FANO = {Polarity.PUSH: 4e-3, Polarity.PULL: 3.5e-3}, 2e-4
COLUMNS = 4
LONGEST_S = 2e-6


@dataclass
class Walls:
    """The sample: positions, and the number of pulses each wall ever got."""

    count: int = 60
    threshold_v: float = 1.0
    stuck: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.generator = np.random.default_rng(5)
        self.position = np.full(self.count, 0.4)
        self.speed = self.generator.normal(1.0, 0.05, self.count)
        self.fired = np.zeros(self.count, np.int64)

    def pulse(self, devices: np.ndarray, counts: np.ndarray, shape: Pulse) -> None:
        """Move."""
        self.fired[devices] += counts
        mean = (
            counts
            * MU[shape.polarity]
            * shape.width_s
            / 1e-6
            * self.speed[devices]
            * (shape.amplitude_v > self.threshold_v)
        )
        mean[np.isin(devices, self.stuck)] = 0.0
        step = self.generator.gamma(np.maximum(mean / FANO, 1e-12), FANO)
        sign = 1 if shape.polarity is Polarity.PUSH else -1
        self.position[devices] = np.clip(self.position[devices] + sign * step, 0, 1)

    def conductance_s(self, devices: np.ndarray, noise_s: float) -> np.ndarray:
        """Read."""
        return LOW_S + (HIGH_S - LOW_S) * self.position[devices] + self.generator.normal(0, noise_s, len(devices))


@dataclass
class Fake:
    """What every instrument has."""

    walls: Walls
    name: str = "fake"
    is_on: bool = False
    identity: Identity = field(
        default_factory=lambda: Identity(manufacturer="made up", model="fake", serial="1", firmware="0")
    )

    def output_on(self) -> None:
        self.is_on = True

    def output_off(self) -> None:
        self.is_on = False


@dataclass
class FakeArray(Fake):
    fail_at: int | None = None
    tag: int = 41
    programs: int = 0
    widths_s: set[float] = field(default_factory=set)
    conductance_scale: ConductanceScale = field(default_factory=lambda: ConductanceScale(offset_s=1.5e-4, lsb_s=4.5e-9))

    @property
    def device_count(self) -> int:
        return self.walls.count

    def set_pulses(self, push: Pulse, pull: Pulse) -> None:
        if push.width_s > LONGEST_S:
            raise LimitError("too wide")
        self.push, self.pull = push, pull
        self.widths_s.add(push.width_s)

    def last_tag(self) -> int:
        return self.tag

    def program_selected(self, devices: np.ndarray, push: np.ndarray, pull: np.ndarray, *, tag: int) -> Delivery:
        assert self.is_on
        assert push.dtype == pull.dtype == np.uint8
        assert devices.dtype == np.uint32
        assert tag == self.tag + 1
        self.tag, self.programs = tag, self.programs + 1
        if self.programs == self.fail_at:
            raise InstrumentError("the array refuses")
        for counts, shape in ((push, self.push), (pull, self.pull)):
            if counts.any():
                self.walls.pulse(devices, counts.astype(np.int64), shape)
        return Delivery(tag=tag, push_pulses=int(push.sum(dtype=int)), pull_pulses=int(pull.sum(dtype=int)))

    def read_selected(self, devices: np.ndarray) -> np.ndarray:
        codes = (
            self.walls.conductance_s(devices, 4e-9) - self.conductance_scale.offset_s
        ) / self.conductance_scale.lsb_s
        return np.rint(codes).astype(np.uint16)


@dataclass
class FakeSwitch(Fake):
    live: list[Fake] = field(default_factory=list)
    now: frozenset[Crosspoint] = frozenset()
    hot: int = 0

    def _move(self, now: frozenset[Crosspoint]) -> None:
        self.hot += now != self.now and any(instrument.is_on for instrument in self.live)
        self.now = now

    def close_crosspoints(self, crosspoints: Sequence[Crosspoint]) -> None:
        self._move(self.now | frozenset(crosspoints))

    def open_all(self) -> None:
        self._move(frozenset())

    def device(self, row: int) -> np.ndarray:
        return np.array([point.column - 1 for point in self.now if point.row == row], np.int64)


@dataclass
class FakePulser(Fake):
    switch: Any = None
    fail: bool = False

    def arm(self, pulse: Pulse) -> None:
        self.pulse, self.is_on = pulse, True

    def fire(self, count: int) -> None:
        assert self.is_on
        if self.fail:
            raise InstrumentError("no trigger")
        for device in self.switch.device(row=1):
            self.walls.pulse(np.array([device]), np.array([count]), self.pulse)


@dataclass
class FakeMeter(Fake):
    switch: Any = None
    quality: Quality = Quality.GOOD

    def source_voltage(self, level_v: float, *, compliance_a: float) -> None:
        self.level_v = level_v

    def measure(self) -> Reading:
        assert self.is_on
        (conductance_s,) = self.walls.conductance_s(self.switch.device(row=2), 2e-8)
        return Reading(voltage_v=self.level_v, current_a=float(conductance_s * self.level_v), quality=self.quality)


class FakeBench:
    """The four instruments around one sample."""

    config = SimpleNamespace(name="made up", library="@nowhere")
    wiring = Wiring(slot=1, pulse_row=1, measure_row=2, devices=tuple(range(COLUMNS)))

    def __init__(self, walls: Walls) -> None:
        self.array, self.switch = FakeArray(walls), FakeSwitch(walls)
        self.pulse_source, self.source_meter = (
            FakePulser(walls, switch=self.switch),
            FakeMeter(walls, switch=self.switch),
        )
        self.switch.live = [self.pulse_source, self.source_meter]

    def connect_pulse(self, device: int) -> None:
        self.disconnect()
        self.switch.close_crosspoints([self.wiring.pulse_crosspoint(device)])

    def connect_measure(self, device: int) -> None:
        self.disconnect()
        self.switch.close_crosspoints([self.wiring.measure_crosspoint(device)])

    def disconnect(self) -> None:
        # Unlike a real bench it leaves outputs alone, so that an output left on shows as a hot switch.
        self.switch.open_all()


def make_bench(walls: Walls | None = None) -> Any:
    return FakeBench(walls or Walls())


def quick(**changes: Any) -> StaircaseConfig:
    return StaircaseConfig(**{"widths_s": (100e-9, 1e-6, 2e-6), "devices": 40, "steps": 6, "cycles": 2, **changes})


def test_the_array_route_finds_the_walls_and_leaves_the_output_off() -> None:
    bench = make_bench()
    told: list[tuple[int, int, str]] = []
    result = calibrate(bench, quick(), seed=1, progress=lambda *news: told.append(news)).parameters
    assert result.mu_push.value == pytest.approx(MU[Polarity.PUSH], rel=0.05)
    assert result.mu_pull.value == pytest.approx(MU[Polarity.PULL], rel=0.05)
    assert result.variance_push.value == pytest.approx(MU[Polarity.PUSH] * FANO, rel=0.2)
    assert result.conductance_low_s.value == pytest.approx(LOW_S, abs=3e-9)
    assert result.conductance_high_s.value == pytest.approx(HIGH_S, abs=3e-9)
    assert (result.devices, result.dropped_devices, result.dropped_runs) == (40, 0, 0)
    assert not bench.array.is_on
    assert told[-1][:2] == (72, 72)
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


def test_only_the_chosen_devices_are_touched_and_another_seed_chooses_others() -> None:
    benches = [make_bench() for _ in range(2)]
    records = [calibrate(bench, quick(devices=10), seed=seed).record for seed, bench in enumerate(benches)]
    for bench, record in zip(benches, records, strict=True):
        assert len(set(record.device)) == 10
        untouched = np.setdiff1d(np.arange(bench.array.device_count), record.device)
        assert not bench.array.walls.fired[untouched].any()
    assert set(records[0].device) != set(records[1].device)


def test_walls_are_left_in_the_middle() -> None:
    bench = make_bench()
    record = calibrate(bench, quick(), seed=2).record
    assert np.abs(bench.array.walls.position[record.device] - 0.5).max() < 0.15


def test_the_bench_route_uses_every_wired_device_without_hot_switching() -> None:
    bench = make_bench()
    calibration = calibrate(bench, quick(route=Route.BENCH), seed=3)
    assert sorted(calibration.record.device) == list(range(COLUMNS))
    assert calibration.parameters.mu_push.contains(MU[Polarity.PUSH])
    assert calibration.parameters.route == "bench"
    assert bench.switch.hot == 0
    assert bench.switch.now == frozenset()
    assert not bench.pulse_source.is_on
    assert not bench.source_meter.is_on


def test_outputs_are_off_when_the_array_fails_halfway() -> None:
    bench = make_bench()
    bench.array.fail_at = 20
    with pytest.raises(InstrumentError, match="refuses"):
        calibrate(bench, quick(), seed=1)
    assert bench.array.programs == 20
    assert not bench.array.is_on


def test_outputs_are_off_when_the_pulse_generator_fails() -> None:
    bench = make_bench()
    bench.pulse_source.fail = True
    with pytest.raises(InstrumentError, match="no trigger"):
        calibrate(bench, quick(route=Route.BENCH), seed=1)
    assert not bench.pulse_source.is_on
    assert not bench.source_meter.is_on
    assert bench.switch.now == frozenset()


def test_outputs_are_off_after_an_interrupt_from_the_keyboard() -> None:
    bench = make_bench()

    def interrupt(done: int, _total: int, _text: str) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(bench, quick(), seed=1, progress=interrupt)
    assert not bench.array.is_on


def test_a_reading_in_compliance_is_a_fault_and_not_a_conductance() -> None:
    bench = make_bench()
    bench.source_meter.quality = Quality.LIMITED
    with pytest.raises(DeviceFault, match="compliance"):
        calibrate(bench, quick(route=Route.BENCH), seed=1)
    assert not bench.source_meter.is_on


@pytest.mark.parametrize("quality", [Quality.SUSPECT, Quality.INVALID, Quality.NEVER])
def test_a_reading_that_is_not_to_be_trusted_is_a_fault(quality: Quality) -> None:
    bench = make_bench()
    bench.source_meter.quality = quality
    with pytest.raises(DeviceFault, match="no reading to trust"):
        calibrate(bench, quick(route=Route.BENCH), seed=1)
    assert not bench.source_meter.is_on


def test_pulses_below_the_threshold_are_a_fault_that_says_what_to_do() -> None:
    with pytest.raises(DeviceFault, match="raise amplitude_v"):
        calibrate(make_bench(), quick(amplitude_v=0.9), seed=1)


def test_a_width_beyond_the_benchs_limit_moves_no_wall() -> None:
    bench = make_bench()
    with pytest.raises(LimitError):
        calibrate(bench, quick(widths_s=(1e-6, 5e-6)), seed=1)
    assert not bench.array.walls.fired.any()


def test_pulses_too_long_for_a_staircase_are_refused() -> None:
    walls = Walls()
    walls.speed *= 20
    with pytest.raises(LimitError, match="shorter widths_s"):
        calibrate(make_bench(walls), quick(), seed=1)


def test_stuck_devices_are_left_out_and_counted() -> None:
    result = calibrate(make_bench(Walls(stuck=(3, 7, 11))), quick(devices=60), seed=1).parameters
    assert (result.devices, result.dropped_devices) == (57, 3)
    assert result.mu_push.contains(MU[Polarity.PUSH])
