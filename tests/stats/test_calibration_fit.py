"""The fit against records made here from known laws: steps follow a gamma law, devices a lognormal one."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats

from calibration.fit import DisplacementFit, fit_displacement
from calibration.protocols import Route
from calibration.record import Origin, StaircaseRecord
from drivers.errors import DeviceFault

REFERENCE_S = 1e-6


@dataclass(frozen=True, kw_only=True)
class Truth:
    mu: tuple[float, float] = (4e-3, 3.6e-3)
    fano: tuple[float, float] = (2e-4, 2.5e-4)
    dtod: float = 0.08
    noise: float = 2e-5
    low_s: float = 2e-4
    high_s: float = 4e-4
    exponent: float = 1.0
    """Displacement goes as width to this power; 1 is the law that the fit assumes."""
    slope: float = 0.0
    """Relative change of the step from the first to the last step of a run."""


def make_record(
    truth: Truth,
    generator: np.random.Generator,
    *,
    devices: int = 10,
    widths_s: tuple[float, ...] = (20e-9, 200e-9, 2e-6),
    cycles: int = 3,
    steps: int = 12,
    pulses: tuple[int, ...] | None = None,
    reads: int = 32,
) -> StaircaseRecord:
    """Walls that climb from 0.3 and come back, read with white noise."""
    widths = np.array(widths_s)
    scale = (widths / REFERENCE_S) ** truth.exponent
    count = (
        np.array(pulses) if pulses else np.clip(np.rint(0.4 / steps / truth.mu[0] / scale), 1, 1000).astype(np.int64)
    )
    sigma = np.sqrt(np.log1p(truth.dtod**2))
    speed = np.exp(generator.normal(-(sigma**2) / 2, sigma, devices))
    fano_factor = generator.normal(1.0, 0.1, devices)
    position = np.empty((len(widths), cycles, 2, steps + 1, devices))
    ramp = 1 + truth.slope * (np.arange(steps) / (steps - 1) - 0.5)
    for direction, sign in enumerate((1, -1)):
        mean = (count * scale)[:, None, None, None] * truth.mu[direction] * ramp[:, None] * speed
        fano = truth.fano[direction] * fano_factor
        walk = sign * np.cumsum(
            generator.gamma(np.broadcast_to(mean / fano, (len(widths), cycles, steps, devices)), fano), axis=2
        )
        start = np.full((len(widths), cycles, 1, devices), 0.3) if direction == 0 else position[:, :, 0, -1:]
        position[:, :, direction] = np.concatenate([start, start + walk], axis=2)

    def read(at: np.ndarray) -> np.ndarray:
        return truth.low_s + (truth.high_s - truth.low_s) * (at + generator.normal(0, truth.noise, at.shape))

    conductance = read(position)
    conductance[:, :, 1, 0] = conductance[:, :, 0, -1]
    return StaircaseRecord(
        device=np.arange(devices, dtype=np.uint32),
        width_s=widths,
        pulses=np.broadcast_to(count[:, None, None], (len(widths), 2, devices)).copy(),
        conductance_s=conductance,
        low_s=read(np.zeros((reads, devices))),
        high_s=read(np.ones((reads, devices))),
        rest_s=read(np.full((reads, devices), 0.5)),
        origin=Origin(
            bench="made up",
            library="",
            route=Route.BENCH,
            created=datetime(2026, 1, 1, tzinfo=UTC),
            seed=0,
            amplitude_v=1.5,
            reference_width_s=REFERENCE_S,
            margin=0.04,
            resolution_s=0.0,
            instruments=(),
        ),
    )


def covered(fit: DisplacementFit, truth: Truth) -> dict[str, bool]:
    """Return for each parameter whether its interval covers the truth."""
    result = {
        "read_noise": fit.read_noise.contains(truth.noise),
        "conductance_low": fit.conductance_low_s.contains(truth.low_s),
        "conductance_high": fit.conductance_high_s.contains(truth.high_s),
    }
    for index, one in enumerate((fit.push, fit.pull)):
        result[f"mu_{index}"] = one.mean.contains(truth.mu[index])
        result[f"variance_{index}"] = one.variance.contains(truth.mu[index] * truth.fano[index])
        result[f"fano_{index}"] = one.fano.contains(truth.fano[index])
        result[f"dtod_{index}"] = one.dtod.contains(truth.dtod)
    return result


@pytest.mark.parametrize("dtod", [0.0, 0.08, 0.2])
@pytest.mark.parametrize("devices", [10, 60])
def test_intervals_cover_the_truth_for_few_devices_and_any_spread(devices: int, dtod: float) -> None:
    """Right intervals miss 1 in 20, or 1 in 14 for a skewed law of devices: then 1 seed in 1000 fails a count."""
    draws = 200
    generator = np.random.default_rng([devices, round(1000 * dtod)])
    truth = Truth(dtod=dtod)
    hits: dict[str, int] = {}
    rejected = 0
    for _ in range(draws):
        fit = fit_displacement(make_record(truth, generator, devices=devices))
        for name, hit in covered(fit, truth).items():
            hits[name] = hits.get(name, 0) + hit
        assert fit.proportionality_p is not None
        rejected += fit.proportionality_p < 0.05
    print(devices, dtod, hits, "rejected", rejected)
    fewest = stats.binom.ppf(1.5e-5, draws, 0.93)
    assert {name: count for name, count in hits.items() if count < fewest} == {}
    assert hits["mu_0"] < draws, "intervals that never miss are too wide"
    assert rejected <= stats.binom.isf(1e-4, draws, 0.05)


def test_leaving_out_the_shared_readings_biases_the_variance() -> None:
    """Single short pulses, each step as large as the noise: the naive estimates are far off, the fit is not."""
    truth = Truth(noise=2e-4, dtod=0.0)
    steps, width_s = 4, 20e-9
    record = make_record(
        truth, np.random.default_rng(1), devices=400, widths_s=(width_s,), steps=steps, cycles=12, pulses=(10,)
    )
    record = replace(record, origin=record.origin.model_copy(update={"reference_width_s": width_s}))
    true = truth.mu[0] * truth.fano[0] * width_s / REFERENCE_S
    fit = fit_displacement(record)
    assert fit.push.variance.contains(true)
    position = (record.conductance_s - truth.low_s) / (truth.high_s - truth.low_s)
    increments = np.diff(position[0, :, 0], axis=1)
    naive = increments.var(axis=1, ddof=1).mean() / 10
    independent = (increments.var(axis=1, ddof=1).mean() - 2 * truth.noise**2) / 10
    assert not fit.push.variance.contains(float(naive))
    assert not fit.push.variance.contains(float(independent))


def test_a_response_that_is_not_proportional_to_the_width_is_found_out() -> None:
    fit = fit_displacement(make_record(Truth(exponent=1.04), np.random.default_rng(2), devices=100))
    assert fit.proportionality_p is not None
    assert fit.proportionality_p < 1e-6


def test_steps_that_shrink_along_the_staircase_are_found_out() -> None:
    even, uneven = (
        fit_displacement(make_record(Truth(slope=slope), np.random.default_rng(3), devices=100))
        for slope in (0.0, -0.05)
    )
    assert even.evenness_p is not None
    assert uneven.evenness_p is not None
    assert even.evenness_p > 0.01
    assert uneven.evenness_p < 1e-6
    assert even.proportionality_p is not None
    assert even.proportionality_p > 0.01


def test_one_width_leaves_the_law_untested() -> None:
    record = make_record(Truth(), np.random.default_rng(4), widths_s=(REFERENCE_S,))
    assert fit_displacement(record).proportionality_p is None


def test_a_run_that_reaches_an_end_stop_is_dropped_and_does_not_bias_the_rest() -> None:
    truth = Truth(dtod=0.03)
    record = make_record(truth, np.random.default_rng(5), devices=40)
    shifted = record.conductance_s.copy()
    shifted[1, 0, :, :, :7] += 0.4 * (truth.high_s - truth.low_s)
    np.minimum(shifted, truth.high_s, out=shifted)
    clean, fit = fit_displacement(record), fit_displacement(replace(record, conductance_s=shifted))
    assert clean.dropped_runs == 0
    assert fit.dropped_runs == 14
    assert fit.dropped_devices == 0
    assert fit.push.mean.value == pytest.approx(clean.push.mean.value, rel=0.005)
    assert fit.push.variance.value == pytest.approx(clean.push.variance.value, rel=0.03)


def test_dead_devices_are_left_out() -> None:
    record = make_record(Truth(), np.random.default_rng(6), devices=12)
    high = record.high_s.copy()
    high[:, [2, 5]] = record.low_s[:, [2, 5]]
    fit = fit_displacement(replace(record, high_s=high))
    assert (fit.devices, fit.dropped_devices) == (10, 2)


def test_walls_that_go_the_wrong_way_are_a_fault() -> None:
    record = make_record(Truth(), np.random.default_rng(7))
    with pytest.raises(DeviceFault, match="polarity"):
        fit_displacement(replace(record, conductance_s=record.conductance_s[:, :, ::-1]))


def test_coarse_codes_widen_the_conductance_interval_and_floor_the_noise() -> None:
    truth = Truth(noise=1e-7, dtod=0.05)
    record = make_record(truth, np.random.default_rng(8), devices=30)
    lsb_s = 1e-7
    coarse = {
        name: np.rint(getattr(record, name) / lsb_s + 0.3) * lsb_s - 0.3 * lsb_s
        for name in ("low_s", "high_s", "rest_s", "conductance_s")
    }
    fit = fit_displacement(replace(record, **coarse, origin=record.origin.model_copy(update={"resolution_s": lsb_s})))
    assert fit.conductance_low_s.contains(truth.low_s)
    assert fit.read_noise.value == pytest.approx(lsb_s / 12**0.5 / (truth.high_s - truth.low_s), rel=1e-3)
    assert fit.push.variance.contains(truth.mu[0] * truth.fano[0])
