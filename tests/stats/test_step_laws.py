"""Every step law is the distribution that its closed form says, and adds up as it should.

Seeds are fixed. Bounds are 4 standard errors, or p-values of 1e-4: with fresh seeds one of these tests would fail in
about 1 of 150 runs.
"""

import math

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from sim_instruments.physics.compact.laws import CODES, skewness, sum_of_steps
from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.compact.walls import CompactWalls
from sim_instruments.physics.walls import Drive

SAMPLES = 100_000
DRIVE = Drive(push_amplitude_v=1.5, push_width_s=1e-7, pull_amplitude_v=1.5, pull_width_s=1e-7)
PUSH, PULL = 4e-4, 3e-4
PUSH_FANO, PULL_FANO = 2e-4, 3e-4
HOP_CV = 0.6
LAWS = [law for law in CODES if law != "gaussian"]


@numba.njit  # no cache: it would not see a change in the functions that are called
def _sums(law, pulses, mean, fano, hop_cv, event):
    sums = np.empty(SAMPLES)
    for device in range(SAMPLES):
        sums[device], _ = sum_of_steps(law, pulses * mean, fano, hop_cv, 0, device, event, 2, 5)
    return sums


def _walls(law: str, *, count: int = SAMPLES, position: float = 0.5, **changes: float) -> CompactWalls:
    values = {
        "track_length_m": 1e-5,
        "reference_amplitude_v": 1.5,
        "threshold_v": 0.5,
        "push_velocity_m_s": 0.04,
        "pull_velocity_m_s": 0.03,
        "push_fano_length_m": 2e-9,
        "pull_fano_length_m": 3e-9,
        "velocity_dtod": 0.0,
        "asymmetry_dtod": 0.0,
        "fano_dtod": 0.0,
        "hop_cv": HOP_CV if law == "compound-poisson" else 0.0,
    }
    parameters = CompactParameters(law=law, **(values | changes))
    state = {kept.name: np.full(count, kept.initial, kept.dtype) for kept in CompactWalls.kept(parameters)}
    state["position"][:] = position
    return CompactWalls(count, 1, parameters, state)


def _moved(walls: CompactWalls, push: int, pull: int, event: int, drive: Drive = DRIVE) -> NDArray[np.float64]:
    before = walls.position.astype(np.float64)
    full = np.ones(len(walls.position), np.uint8)
    walls.pulse_range(0, full * np.uint8(push), full * np.uint8(pull), drive, event)
    return walls.position - before


def _law_of_counts(counts: NDArray[np.float64], mean: float) -> float:
    """Return the chi-square p-value of Poisson counts, tails lumped where fewer than 10 are expected."""
    low, high = stats.poisson.ppf([10 / SAMPLES, 1 - 10 / SAMPLES], mean).astype(int)
    edges = np.arange(low, high + 1)
    expected = SAMPLES * np.diff([0.0, *stats.poisson.cdf(edges[:-1], mean), 1.0])
    observed = np.bincount(np.clip(counts.astype(int), low, high) - low, minlength=len(edges))
    return float(stats.chisquare(observed, expected).pvalue)


@pytest.mark.parametrize("pulses", [1, 3, 50, 255])
@pytest.mark.parametrize("mean", [0.3 * PUSH_FANO, 2 * PUSH_FANO, 20 * PUSH_FANO])
def test_gamma_and_inverse_gaussian_sums_have_their_distribution(pulses: int, mean: float):
    total = pulses * mean
    gamma = stats.gamma(pulses * mean / PUSH_FANO, scale=PUSH_FANO)
    assert stats.kstest(_sums(CODES["gamma"], pulses, mean, PUSH_FANO, 0.0, pulses), gamma.cdf).pvalue > 1e-4
    shape = pulses**2 * mean**2 / PUSH_FANO
    inverse = stats.invgauss(total / shape, scale=shape)
    drawn = _sums(CODES["inverse-gaussian"], pulses, mean, PUSH_FANO, 0.0, pulses)
    assert stats.kstest(drawn, inverse.cdf).pvalue > 1e-4


@pytest.mark.parametrize("pulses", [1, 3, 50, 255])
@pytest.mark.parametrize("mean", [0.3 * PUSH_FANO, 2 * PUSH_FANO, 20 * PUSH_FANO])
def test_poisson_sums_are_whole_hops_with_their_distribution(pulses: int, mean: float):
    hops = _sums(CODES["poisson"], pulses, mean, PUSH_FANO, 0.0, pulses) / PUSH_FANO
    assert hops == pytest.approx(np.rint(hops), abs=1e-9)
    assert _law_of_counts(np.rint(hops), pulses * mean / PUSH_FANO) > 1e-4


@pytest.mark.parametrize("pulses", [1, 3, 50, 255])
def test_compound_poisson_sums_have_their_distribution(pulses: int):
    hop = PUSH_FANO / (1 + HOP_CV**2)
    rate = PUSH / hop
    drawn = _sums(CODES["compound-poisson"], pulses, PUSH, PUSH_FANO, HOP_CV, pulses)
    # A lump at zero, and gamma numbers mixed over the number of hops: uniform once their own distribution is undone.
    hops = np.arange(1, int(stats.poisson.isf(1e-9, pulses * rate)) + 2)
    weights = stats.poisson.pmf(hops, pulses * rate)
    scale = hop * HOP_CV**2
    grid = np.linspace(0, drawn.max() * 1.01, 4000)
    cdf = np.exp(-pulses * rate) + stats.gamma.cdf(grid[:, None] / scale, hops / HOP_CV**2) @ weights
    stays = np.exp(-pulses * rate)
    assert abs((drawn == 0).mean() - stays) <= 4 * math.sqrt(stays * (1 - stays) / SAMPLES)
    moved = drawn[drawn > 0]
    assert stats.kstest(moved, lambda x: (np.interp(x, grid, cdf) - stays) / (1 - stays)).pvalue > 1e-4


def test_compound_poisson_has_the_moments_of_hops():
    # N hops of mean m and coefficient of variation c: mean lambda m, variance lambda m^2 (1 + c^2).
    drawn = _sums(CODES["compound-poisson"], 1, PUSH, PUSH_FANO, HOP_CV, 9)
    hop = PUSH_FANO / (1 + HOP_CV**2)
    rate = PUSH / hop
    variance = rate * hop**2 * (1 + HOP_CV**2)
    assert abs(drawn.mean() - rate * hop) < 4 * math.sqrt(variance / SAMPLES)
    fourth = stats.moment(drawn, order=4)
    assert abs(drawn.var() - variance) < 4 * math.sqrt((fourth - variance**2) / SAMPLES)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("push", "pull"), [(1, 0), (0, 1), (3, 0), (50, 0), (50, 30), (255, 255)])
def test_walls_move_with_the_stated_mean_variance_and_skewness(law: str, push: int, pull: int):
    moved = _moved(_walls(law), push, pull, event=1)
    mean = push * PUSH - pull * PULL
    variance = push * PUSH * PUSH_FANO + pull * PULL * PULL_FANO
    assert abs(moved.mean() - mean) < 4 * math.sqrt(variance / SAMPLES)
    fourth = stats.moment(moved, order=4)
    assert abs(moved.var() - variance) < 4 * math.sqrt((fourth - moved.var() ** 2) / SAMPLES)
    cubes = [
        sign * pulses * skewness(law, step, fano, HOP_CV) * (step * fano) ** 1.5
        for sign, pulses, step, fano in ((1, push, PUSH, PUSH_FANO), (-1, pull, PULL, PULL_FANO))
    ]
    assert abs(stats.skew(moved) - sum(cubes) / variance**1.5) < 4 * _error_of_skewness(moved)


def _error_of_skewness(x: NDArray[np.float64]) -> float:
    """Return the standard error of the sample skewness by its influence function."""
    z = (x - x.mean()) / x.std()
    skew = (z**3).mean()
    influence = z**3 - skew - 3 * z - 1.5 * skew * (z**2 - 1)
    return float(influence.std() / math.sqrt(len(x)))


@pytest.mark.parametrize("law", LAWS)
def test_many_pulses_in_one_event_are_many_events_of_one_pulse(law: str):
    at_once = _moved(_walls(law), 12, 0, event=1)
    walls = _walls(law)
    one_by_one = sum(_moved(walls, 1, 0, event) for event in range(2, 14))
    # Hops are on a lattice: rounding to a hundredth of a hop makes ties ties again.
    rounded = [np.rint(moved / PUSH_FANO * 100) for moved in (at_once, one_by_one)]
    assert stats.ks_2samp(*rounded).pvalue > 1e-4


@pytest.mark.parametrize("law", LAWS)
def test_fano_length_is_the_one_of_the_bench_file_whatever_the_pulse(law: str):
    for width_s, event in ((2e-8, 1), (1e-7, 2), (1e-6, 3)):
        drive = Drive(push_amplitude_v=1.2, push_width_s=width_s, pull_amplitude_v=1.5, pull_width_s=1e-7)
        moved = _moved(_walls(law), 20, 0, event, drive)
        fourth = stats.moment(moved, order=4)
        error = math.sqrt((fourth / moved.var() ** 2 - 1) / SAMPLES) + math.sqrt(moved.var() / SAMPLES) / moved.mean()
        assert moved.var() / moved.mean() == pytest.approx(PUSH_FANO, rel=4 * error)


def _pulse_by_pulse(walls: CompactWalls, polarities: str) -> None:
    """Send single pulses, one event each: every one of them is stopped at the ends by itself."""
    for event, polarity in enumerate(polarities, start=100):
        _moved(walls, polarity == "+", polarity == "-", event)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    ("position", "push", "pull", "order"),
    [
        (0.9975, 20, 0, "+" * 20),
        (0.999, 4, 4, "+-" * 4),
        (1.0, 5, 2, "+-++-++"),
        (0.0, 2, 5, "+---+--"),
        (0.002, 3, 9, "+---" * 3),
    ],
)
def test_walls_near_an_end_move_as_if_every_pulse_were_an_event(
    law: str, position: float, push: int, pull: int, order: str
):
    at_once, one_by_one = _walls(law, position=position), _walls(law, position=position)
    _moved(at_once, push, pull, event=1)
    _pulse_by_pulse(one_by_one, order)
    assert at_once.position.min() >= 0
    assert at_once.position.max() <= 1
    rounded = [np.rint(walls.position.astype(np.float64) / PUSH_FANO * 100) for walls in (at_once, one_by_one)]
    assert stats.ks_2samp(*rounded).pvalue > 1e-4


@pytest.mark.parametrize("law", LAWS)
def test_a_wall_that_is_walked_knows_its_place(law: str):
    # Within reach of an end, yet too far from it to be stopped by it.
    slope, curvature, e = 0.5, 0.3, 2 * 0.993 - 1
    gains = {"push_gain_slope": slope, "push_gain_curvature": curvature}
    gains |= {"pull_gain_slope": slope, "pull_gain_curvature": curvature}
    for position, push, pull, mean, fano in ((0.993, 1, 0, PUSH, PUSH_FANO), (0.007, 0, 1, PULL, PULL_FANO)):
        moved = abs(_moved(_walls(law, position=position, **gains), push, pull, event=1))
        mean *= 1 + slope * e + curvature * e**2
        assert abs(moved.mean() - mean) < 4 * math.sqrt(mean * fano / SAMPLES)


@pytest.mark.parametrize("law", LAWS)
def test_long_trains_against_an_end_stay_on_the_track(law: str):
    walls = _walls(law, count=2048, position=0.98)
    drive = Drive(push_amplitude_v=1.5, push_width_s=1e-6, pull_amplitude_v=1.5, pull_width_s=1e-6)
    for event in range(1, 4):
        _moved(walls, 255, 0, event, drive)
    assert walls.position.min() == walls.position.max() == 1.0
    for event in range(4, 10):
        _moved(walls, 0, 255, event, drive)
    assert walls.position.min() == walls.position.max() == 0.0


@pytest.mark.parametrize("law", LAWS)
def test_mean_step_depends_on_the_position_in_one_event_as_in_many(law: str):
    changes = {"push_gain_slope": 0.5, "push_gain_curvature": -0.3, "pull_gain_slope": 0.2, "pull_gain_curvature": 0.4}
    for position, push, pull in ((0.3, 200, 0), (0.6, 100, 200)):
        at_once = _walls(law, position=position, **changes)
        one_by_one = _walls(law, position=position, **changes)
        _moved(at_once, push, pull, event=1)
        for event in range(2, 27):
            _moved(one_by_one, push // 25, pull // 25, event)
        a, b = (walls.position.astype(np.float64) for walls in (at_once, one_by_one))
        # The rule of the middle, over a way of about 0.1 of the track, leaves less than a tenth of a step.
        assert abs(a.mean() - b.mean()) < 0.1 * PUSH + 4 * math.sqrt((a.var() + b.var()) / SAMPLES)
        assert a.var() / b.var() == pytest.approx(1, abs=0.02 + 4 * math.sqrt(2 * 2 / SAMPLES))


@pytest.mark.parametrize("law", LAWS)
def test_results_depend_neither_on_threads_nor_on_cutting_nor_on_the_route(law: str):
    count = 50_000
    push = np.random.default_rng(0).integers(0, 9, count).astype(np.uint8)
    pull = push[::-1].copy()
    spread = {"velocity_dtod": 0.1, "asymmetry_dtod": 0.1, "fano_dtod": 0.1}
    whole, single, selected = (_walls(law, count=count, **spread) for _ in range(3))
    for walls in (whole, single, selected):
        walls.position[::7] = 0.9995
    whole.pulse_range(0, push, pull, DRIVE, event=5)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        cut = 12_345
        single.pulse_range(0, push[:cut], pull[:cut], DRIVE, event=5)
        single.pulse_range(cut, push[cut:], pull[cut:], DRIVE, event=5)
    finally:
        numba.set_num_threads(before)
    chosen = np.array([3, 49_999, 1024, 7], np.uint32)
    selected.pulse_selected(chosen, push[chosen].astype(np.int64), pull[chosen].astype(np.int64), DRIVE, event=5)
    assert np.array_equal(whole.position, single.position)
    assert np.array_equal(selected.position[chosen], whole.position[chosen])
