"""The compiled update has the mean and the variance that were asked for, outside the feasible region too.

Each case draws 1e6 devices. A mean or variance beyond 4 standard errors fails; with 2 x 72 independent checks that
happens by chance in about 1 of 110 runs with fresh seeds. The seeds are fixed.
"""

import itertools

import numpy as np
import pytest

from hil.kernels.compile_update import STATISTICS, compile_rows
from hil.mapping import rows

DEVICES = 1_000_000
LARGEST_NET = 63

DRIFTS = (0.0, 0.1, -0.5, 2.6, -2.6, -3.0, 20.3, 63.0, 70.0)
NOISES = (0.0, 0.3, 2.0, 50.0)
DEVICE_VARIANCES = ((0.7, 0.9), (1.5, 1.2))


def _compile(
    drift: float, noise: float, variances: tuple[float, float], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    push, pull = np.empty(DEVICES, np.uint8), np.empty(DEVICES, np.uint8)
    statistics = np.empty((rows(DEVICES), STATISTICS))
    numbers = (np.float32(value) for value in (1.0, *variances, noise, LARGEST_NET, 255))
    compile_rows(np.full(DEVICES, drift, np.float32), 0, *numbers, 5, seed, push, pull, statistics)
    return push.astype(np.float64), pull.astype(np.float64), statistics.sum(axis=0)


def _least_variance(drift: float, variances: tuple[float, float]) -> float:
    """The floor in closed form, apart from the kernel: rounding noise plus the noise of the net pulses."""
    low = np.floor(drift)
    fraction = drift - low
    cost = [k * variances[0] if k >= 0 else -k * variances[1] for k in (low, low + 1)]
    return float(fraction * (1 - fraction) + (1 - fraction) * cost[0] + fraction * cost[1])


@pytest.mark.parametrize(
    ("case", "drift", "noise", "variances"),
    [(i, *c) for i, c in enumerate(itertools.product(DRIFTS, NOISES, DEVICE_VARIANCES))],
)
def test_mean_and_variance_match_the_request(case: int, drift: float, noise: float, variances: tuple[float, float]):
    push, pull, statistics = _compile(drift, noise, variances, seed=1000 + case)
    displacement = (
        push
        - pull
        + np.sqrt(push * variances[0] + pull * variances[1]) * np.random.default_rng(case).standard_normal(DEVICES)
    )
    reachable = float(np.clip(drift, -LARGEST_NET, LARGEST_NET))
    floor = _least_variance(reachable, variances)
    expected = max(noise, floor)
    mean, variance = displacement.mean(), displacement.var()
    fourth = ((displacement - mean) ** 4).mean()
    assert abs(mean - reachable) <= 4 * np.sqrt(variance / DEVICES)
    assert abs(variance - expected) <= 4 * np.sqrt((fourth - variance**2) / DEVICES)
    assert statistics[5] / DEVICES == pytest.approx(expected, rel=1e-3, abs=1e-6)
    assert statistics[2] == (DEVICES if noise < floor * (1 - 1e-6) else 0)
    assert statistics[3] == (DEVICES if abs(drift) > LARGEST_NET else 0)
    assert (statistics[0], statistics[1]) == (push.sum(), pull.sum())


def test_the_least_variance_is_asked_for_when_noise_cannot_be_met():
    """Exactly at the edge of the feasible region nothing is reported infeasible, just inside it everything is."""
    edge = _least_variance(2.6, (0.7, 0.9))
    for noise, expected in ((edge * 1.001, 0), (edge * 0.999, DEVICES)):
        assert _compile(2.6, noise, (0.7, 0.9), seed=1)[2][2] == expected


def test_counts_that_do_not_fit_are_reported_and_stop_at_255():
    push, pull, statistics = _compile(2.6, 2000.0, (0.7, 0.9), seed=3)
    assert push.max() == 255
    assert pull.max() <= 255
    assert statistics[4] == DEVICES


def test_results_depend_neither_on_threads_nor_on_cutting():
    import numba

    count = 50_000
    drift = np.random.default_rng(0).standard_normal(count).astype(np.float32)
    numbers = [np.float32(value) for value in (0.5, 0.2, 0.3, 1.0, 63, 255)]

    def compiled(threads: int, cuts: list[int]) -> np.ndarray:
        numba.set_num_threads(threads)
        push, pull = np.empty(count, np.uint8), np.empty(count, np.uint8)
        for low, high in itertools.pairwise([0, *cuts, count]):
            statistics = np.empty((rows(high - low), STATISTICS))
            compile_rows(drift[low:high], low, *numbers, 9, 4, push[low:high], pull[low:high], statistics)
        return np.stack([push, pull])

    before = numba.get_num_threads()
    try:
        whole = compiled(1, [])
        assert np.array_equal(whole, compiled(before, []))
        assert np.array_equal(whole, compiled(before, [1024, 8192]))
    finally:
        numba.set_num_threads(before)
