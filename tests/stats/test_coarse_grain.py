"""The compact model is recovered from its own walls, with intervals that hold what they promise.

Seeds are fixed. Bounds are 4 standard errors; coverage is judged by the exact binomial distribution at 1e-4: with fresh
seeds one of these tests would fail in about 1 of 200 runs.
"""

import math
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pytest
from scipy import stats

from sim_instruments.coarse_grain import step_law
from sim_instruments.coarse_grain.derive import derive
from sim_instruments.coarse_grain.error import CoarseGrainError
from sim_instruments.coarse_grain.experiment import Measured, Plan, measure
from sim_instruments.coarse_grain.overdrive import fit_overdrive
from sim_instruments.coarse_grain.resample import Estimate
from sim_instruments.physics.compact.parameters import CompactParameters

TRUE: dict[str, Any] = {
    "track_length_m": 1e-5,
    "reference_amplitude_v": 1.5,
    "threshold_v": 0.5,
    "push_velocity_m_s": 0.040,
    "pull_velocity_m_s": 0.036,
    "push_fano_length_m": 2.0e-9,
    "pull_fano_length_m": 2.2e-9,
    "velocity_dtod": 0.08,
    "asymmetry_dtod": 0.08,
    "fano_dtod": 0.1,
}
PLAN: dict[str, Any] = {"amplitude_v": 1.5, "width_s": 1e-7, "also_amplitudes_v": (1.2, 1.8)}
SPREADS = ("velocity_dtod", "asymmetry_dtod", "fano_dtod")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    # A thousand walls are too few for two threads to help each other.
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


def _measured(*, devices: int = 1024, pulses: int = 128, seed: int = 1, **changes: Any) -> Measured:
    parameters = CompactParameters(**(TRUE | changes))
    return measure(parameters, Plan(**PLAN, devices=devices, pulses=pulses, seed=seed))


def _is_near(one: Estimate, truth: float, name: str) -> bool:
    """Tell whether an estimate is within 4 standard errors; of a spread, its square is what is normal."""
    if name not in SPREADS:
        return abs(one.value - truth) < 4 * one.standard_error
    error = (one.high**2 - one.low**2) / (2 * 1.96)
    return abs(one.value**2 - truth**2) < 4 * error


@pytest.mark.parametrize(
    ("law", "hop_cv"),
    [("gaussian", 0.0), ("gamma", 0.0), ("inverse-gaussian", 0.0), ("poisson", 0.0), ("compound-poisson", 0.6)],
)
def test_own_parameters_and_law_are_recovered(law: str, hop_cv: float):
    derived = derive(_measured(law=law, hop_cv=hop_cv))
    truth = {"memory_ratio": 1.0} | {key: value for key, value in TRUE.items() if key in derived.estimates}
    missed = [name for name, value in truth.items() if not _is_near(derived.estimates[name], value, name)]
    assert missed == []
    assert derived.law.law == law
    assert derived.parameters.law == law
    assert derived.parameters.hop_cv == pytest.approx(hop_cv, rel=0.05)
    assert derived.parameters.memory_ratio == 1.0
    assert derived.parameters.push_gain_slope == 0.0
    assert derived.overdrive.p_value > 1e-4


def test_steps_that_change_along_the_track_are_seen():
    derived = derive(_measured(law="gamma", pulses=512, push_gain_slope=0.3, pull_gain_slope=-0.2))
    for name, value in (("push_gain_slope", 0.3), ("pull_gain_slope", -0.2)):
        assert abs(derived.estimates[name].value - value) < 4 * derived.estimates[name].standard_error
        assert getattr(derived.parameters, name) == pytest.approx(value, abs=0.1)
    for name in ("push_velocity_m_s", "pull_velocity_m_s", "push_fano_length_m", "velocity_dtod"):
        assert _is_near(derived.estimates[name], TRUE[name], name)


@pytest.mark.parametrize("law", ["gaussian", "gamma"])
def test_memory_is_recovered(law: str):
    derived = derive(_measured(law=law, pulses=256, memory_ratio=0.5, memory_length_m=5e-9))
    assert derived.steps_depend
    for name in ("memory_ratio", "push_fano_length_m", "pull_fano_length_m", "velocity_dtod", "push_velocity_m_s"):
        assert _is_near(derived.estimates[name], 0.5 if name == "memory_ratio" else TRUE[name], name), name
    assert derived.parameters.memory_ratio == pytest.approx(0.5, abs=0.05)
    assert derived.parameters.memory_length_m == pytest.approx(2.1e-9, rel=0.1)


def test_laws_that_long_pulses_make_alike_are_called_so():
    # A hundred thousand hops a pulse: skewness 0.003, which few steps do not show.
    plan = Plan(**(PLAN | {"width_s": 1e-6}), devices=32, pulses=32, seed=1)
    fine = CompactParameters(**(TRUE | {"push_fano_length_m": 4e-13, "pull_fano_length_m": 4e-13, "law": "gamma"}))
    law = derive(measure(fine, plan)).law
    assert {"gaussian", "gamma", "inverse-gaussian"} <= set(law.indistinguishable)
    assert law.law == "gaussian"


def test_sums_of_many_hops_are_shifted_gamma_numbers():
    mean, hop_cv = 360.0, 0.6
    x = np.linspace(270, 450, 37)[None, :]
    exact = step_law._compound(hop_cv)(x, np.array([[mean]]))
    skewness = (1 + 2 * hop_cv**2) / (1 + hop_cv**2) / math.sqrt(mean)
    assert step_law._shifted_gamma(x, np.array([[mean]]), np.array([[skewness]])) == pytest.approx(exact, abs=2e-4)


def test_intervals_cover_the_truth_nineteen_times_of_twenty():
    truth = {"memory_ratio": 1.0, "push_gain_slope": 0.0} | {
        key: value for key, value in TRUE.items() if key not in ("track_length_m", "reference_amplitude_v")
    }
    covered = dict.fromkeys(truth, 0)
    repetitions = 40
    for seed in range(repetitions):
        derived = derive(_measured(devices=256, pulses=64, seed=seed), seed)
        for name, value in truth.items():
            covered[name] += derived.estimates[name].low <= value <= derived.estimates[name].high
    # Of all intervals together, and of the worst parameter alone.
    total = repetitions * len(truth)
    assert stats.binomtest(sum(covered.values()), total, 0.95).pvalue > 1e-4
    assert min(covered.values()) >= stats.binom.ppf(1e-4 / len(truth), repetitions, 0.95)


def test_a_law_that_is_not_linear_in_the_amplitude_is_refused_by_the_fit():
    amplitudes = (1.2, 1.5, 1.8)
    error = 1e-3
    for curvature, is_linear in ((0.0, True), (0.3, False)):
        means = np.array([a - 0.5 + curvature * (a - 0.5) ** 2 for a in amplitudes] * 2)
        fit = fit_overdrive(amplitudes, means, np.diag((error * means) ** 2))
        assert (fit.p_value > 0.01) == is_linear
        assert (fit.largest_deviation < 0.001) == is_linear
        assert (abs(fit.threshold_v.value - 0.5) < 1e-6) == is_linear


def test_errors_say_what_to_change():
    with pytest.raises(CoarseGrainError, match="do not move the walls: choose a larger amplitude or a longer pulse"):
        measure(CompactParameters(**TRUE), Plan(**(PLAN | {"amplitude_v": 0.4}), devices=64, pulses=64, seed=1))
    with pytest.raises(CoarseGrainError, match="choose a shorter pulse or a smaller amplitude"):
        measure(CompactParameters(**TRUE), Plan(**(PLAN | {"width_s": 1e-5}), devices=64, pulses=64, seed=1))
    # Slow in the middle, where the pilot is, and fast towards the ends.
    uneven = CompactParameters(**TRUE, push_gain_curvature=10.0, pull_gain_curvature=10.0)
    with pytest.raises(CoarseGrainError, match="send fewer pulses"):
        measure(uneven, Plan(**PLAN, devices=64, pulses=1024, seed=1))
    with pytest.raises(CoarseGrainError, match="needs a second amplitude"):
        Plan(**(PLAN | {"also_amplitudes_v": (1.5,)}), devices=64, pulses=64, seed=1)
