"""Ageing follows its closed forms: retention, read disturb, endurance wear.

Seeds are fixed. Bounds are 4 standard errors, or p-values of 1e-4: with fresh seeds one of these tests would fail in
about 1 of 500 runs.
"""

import itertools
import math

import numba
import numpy as np
import pytest
from scipy import stats

from sim_instruments.ageing.parameters import ReadDisturbParameters, RetentionParameters, WearParameters
from sim_instruments.ageing.read_disturb import ReadDisturb
from sim_instruments.ageing.retention import Retention
from sim_instruments.ageing.wear import ESTIMATE, Wear

DEVICES = 100_000
TRACK_M = 1e-5
HOP = 0.002
HOP_M = HOP * TRACK_M


def retention(count: int = DEVICES, seed: int = 1, **changes: float) -> tuple[Retention, RetentionParameters]:
    parameters = RetentionParameters(**({"hop_length_m": HOP_M, "barrier_kt": 30.0} | changes))
    parameters.check(TRACK_M)
    return Retention(parameters, TRACK_M, count, seed), parameters


def placed(x: float, count: int = DEVICES) -> np.ndarray:
    return np.full(count, x, np.float32)


def seconds(parameters: RetentionParameters, hops: float) -> float:
    """Return how long a wall takes to so many hops on average."""
    return hops / parameters.hop_rate_hz


def assert_moments(moved: np.ndarray, mean: float, variance: float, fourth: float) -> None:
    """Compare with 4 standard errors; `fourth` is the fourth central moment of the law."""
    count = len(moved)
    assert abs(moved.mean() - mean) < 4 * math.sqrt(variance / count)
    assert abs(moved.var() - variance) < 4 * math.sqrt((fourth - variance**2) / count)


# Each of the three ways to draw a rest, and the borders between them.
@pytest.mark.parametrize("hops", [0.003, 0.03, 0.04, 1.0, 40.0, 99.0, 101.0, 1000.0])
def test_walls_at_rest_diffuse_by_hop_squared_for_each_hop(hops: float):
    walls, parameters = retention()
    position = placed(0.5)
    walls.rest(position, seconds(parameters, hops), event=7)
    variance = hops * HOP**2
    assert_moments(position.astype(np.float64) - 0.5, 0.0, variance, 3 * variance**2 + hops * HOP**4)


@pytest.mark.parametrize("hops", [0.02, 2.0])
def test_hops_are_the_difference_of_two_poisson_numbers(hops: float):
    walls, parameters = retention()
    position = placed(0.5)
    walls.rest(position, seconds(parameters, hops), event=3)
    found = np.rint((position.astype(np.float64) - 0.5) / HOP).astype(int)
    assert np.allclose(position, 0.5 + HOP * found, atol=1e-6)
    law = stats.skellam(hops / 2, hops / 2)
    reach = int(law.isf(10 / DEVICES))
    values = np.arange(-reach, reach + 1)
    expected = DEVICES * law.pmf(values)
    expected[[0, -1]] += DEVICES * law.sf(reach)
    observed = np.bincount(np.clip(found, -reach, reach) + reach, minlength=2 * reach + 1)
    assert stats.chisquare(observed, expected).pvalue > 1e-4


def test_the_rate_follows_the_law_of_arrhenius():
    temperatures = np.array([280.0, 300.0, 320.0, 345.0])
    rates, errors = [], []
    for temperature_k in temperatures:
        walls, _ = retention(temperature_k=temperature_k)
        position = placed(0.5)
        # As long as a wall at 300 K takes to half a hop, whatever the temperature.
        walls.rest(position, 0.5e-9 * math.exp(30), event=5)
        has_hopped = position != np.float32(0.5)
        mean = math.exp(-30 * 300 / temperature_k + 30) / 2
        # A wall that came back counts as one that stayed: exp(-m) I0(m) of them.
        still = stats.skellam.pmf(0, mean / 2, mean / 2)
        assert abs(has_hopped.mean() - (1 - still)) < 4 * math.sqrt(still * (1 - still) / DEVICES)
        variance = (position.astype(np.float64) - 0.5).var() / HOP**2
        rates.append(variance)
        errors.append(math.sqrt((2 * variance**2 + variance) / DEVICES) / variance)
    slope, covariance = np.polyfit(1 / temperatures, np.log(rates), 1, w=1 / np.array(errors), cov="unscaled")
    assert abs(slope[0] + 30 * 300) < 4 * math.sqrt(covariance[0, 0])


@pytest.mark.parametrize("share", [0.01, 0.5])
def test_the_retention_time_of_an_array_needs_the_barrier_that_the_law_says(share: float):
    """Delta = ln(t / (tau0 (-ln(1 - P) / n))): of arrays of n devices the share P has lost a wall by the time t."""
    count, arrays, ten_years_s = 1000, 3000, 3.156e8
    barrier = math.log(ten_years_s / (1e-9 * -math.log(1 - share) / count))
    walls, _ = retention(count, barrier_kt=barrier)
    failed = 0
    for array in range(arrays):
        position = placed(0.5, count)
        walls.rest(position, ten_years_s, event=array)
        failed += bool((position != 0.5).any())
    assert stats.binomtest(failed, arrays, share).pvalue > 1e-4


def test_many_short_rests_are_a_long_one():
    walls, parameters = retention()
    position = placed(0.5)
    for event in range(40):
        walls.rest(position, seconds(parameters, 5.0), event)
    variance = 200 * HOP**2
    assert_moments(position.astype(np.float64) - 0.5, 0.0, variance, 3 * variance**2)


def test_walls_left_alone_for_ever_are_anywhere_on_the_track():
    walls, parameters = retention()
    position = placed(0.9)
    for event in range(2):
        walls.rest(position, seconds(parameters, 5e5), event)
    assert stats.kstest(position, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("pieces", [1, 100])
def test_a_well_draws_walls_in_as_it_should_however_the_time_is_cut(pieces: int):
    spread, preferred, start = 0.05, 0.4, 0.55
    walls, parameters = retention(preferred_position=preferred, preferred_spread=spread)
    pull = HOP**2 / (2 * spread**2)
    hops = 0.7 / pull
    position = placed(start)
    for event in range(pieces):
        walls.rest(position, seconds(parameters, hops / pieces), event)
    mean = (start - preferred) * (math.exp(-0.7) - 1)
    variance = spread**2 * (1 - math.exp(-1.4))
    assert_moments(position.astype(np.float64) - start, mean, variance, 3 * variance**2)


def test_a_well_holds_a_normal_law_in_equilibrium():
    spread, preferred = 0.05, 0.4
    walls, parameters = retention(preferred_position=preferred, preferred_spread=spread)
    position = placed(0.7)
    walls.rest(position, seconds(parameters, 20 * 2 * spread**2 / HOP**2), event=1)
    assert stats.kstest(position, stats.norm(preferred, spread).cdf).pvalue > 1e-4


def test_single_hops_in_a_well_lean_towards_it():
    spread, preferred, start, hops = 0.05, 0.4, 0.7, 0.03
    walls, parameters = retention(preferred_position=preferred, preferred_spread=spread)
    position = placed(start)
    walls.rest(position, seconds(parameters, hops), event=1)
    toward, away = (position < start).sum(), (position > start).sum()
    lean = HOP * (start - preferred) / (2 * spread**2)
    assert stats.binomtest(int(toward), int(toward + away), (1 + lean) / 2).pvalue > 1e-4


def test_rests_do_not_depend_on_the_number_of_threads():
    before = numba.get_num_threads()
    for hops in (0.01, 3.0, 300.0):
        walls, parameters = retention()
        found = []
        for threads in (1, before):
            numba.set_num_threads(threads)
            try:
                found.append(placed(0.5))
                walls.rest(found[-1], seconds(parameters, hops), event=4)
            finally:
                numba.set_num_threads(before)
        assert np.array_equal(*found)


def disturb(**changes: object) -> ReadDisturb:
    values = {"hops_per_read": 1e-3, "hop_length_m": HOP_M, "reference_voltage_v": 0.1, "voltage_scale_v": 0.05}
    return ReadDisturb(ReadDisturbParameters(**(values | changes)), TRACK_M, 9)


def hops_made(position: np.ndarray) -> int:
    return int(np.rint((position.astype(np.float64) - 0.5) / HOP).sum())


def assert_poisson(found: int, mean: float) -> None:
    """Two-sided at 1e-4."""
    assert stats.poisson.cdf(found, mean) > 5e-5
    assert stats.poisson.sf(found - 1, mean) > 5e-5


def test_read_disturb_counts_readings_and_not_calls():
    expected = 1e-3 * 20 * 10_000
    whole, cut, selected = (placed(0.5, 10_000) for _ in range(3))
    reads = disturb()
    everybody = np.arange(10_000, dtype=np.uint32)
    for event in range(20):
        reads.read_range(whole, 0, 10_000, event)
        reads.read_selected(selected, everybody[::-1], 1000 + event)
        for part in range(50):
            reads.read_range(cut, 200 * part, 200, 2000 + 50 * event + part)
    for position in (whole, cut, selected):
        assert_poisson(hops_made(position), expected)
        assert abs(((position.astype(np.float64) - 0.5) / HOP).var() / 0.02 - 1) < 4 * math.sqrt(1 / 200)


def test_read_disturb_falls_on_what_was_read():
    reads, position = disturb(hops_per_read=0.5), placed(0.5, 1000)
    reads.read_range(position, 100, 50, event=1)
    reads.read_selected(position, np.array([7, 900], np.uint32), event=2)
    moved = np.flatnonzero(position != 0.5)
    assert set(moved) <= {7, 900, *range(100, 150)}
    assert len(moved) > 10


def test_read_disturb_grows_exponentially_with_the_voltage_and_follows_its_sign():
    for voltage_v in (0.05, 0.1, 0.2, -0.2):
        reads, position = disturb(), placed(0.5, 1)
        # Few enough hops to stay clear of the end.
        mean = 1e-3 * math.exp((abs(voltage_v) - 0.1) / 0.05)
        readings = round(40 / mean)
        total = 0
        for event in range(25):
            position[:] = 0.5
            reads.measure(position, 0, np.full(readings, voltage_v), event)
            total += hops_made(position)
        assert_poisson(total * (1 if voltage_v > 0 else -1), 25 * readings * mean)
    reads.measure(position, 0, np.zeros(10**6), event=1)


def test_a_wall_that_readings_drive_stops_at_the_end():
    reads, position = disturb(hops_per_read=1.0, toward="pull"), placed(0.001, 100)
    reads.read_range(position, 0, 100, event=1)
    assert position.min() == 0.0


def worn(pulses: int, count: int, seed: int = 1) -> Wear:
    """Return counters of devices that took so many pulses each, in portions."""
    wear = Wear(WearParameters(half_velocity_pulses=1e4), np.zeros(count, np.uint8), seed)
    position, left, event = placed(0.5, count), pulses, 0
    while left:
        portion = min(left, 255 * 2 if event < 10 else 10**9)
        left -= portion
        event += 1
        if portion <= 510:
            push = np.full(count, portion // 2, np.uint8)
            wear.wear_range(
                position,
                placed(0.5, count),
                0,
                push,
                np.full(count, portion - portion // 2, np.uint8),
                (0.0, 0.0),
                event,
            )
        else:
            push = np.full(count, portion, np.int64)
            wear.wear_selected(
                position, placed(0.5, count), np.arange(count, dtype=np.uint32), push, 0 * push, (0.0, 0.0), event
            )
    return wear


@pytest.mark.parametrize("pulses", [1, 10, 100, 1000, 10**4, 10**5, 10**6, 10**9])
def test_the_counter_of_one_byte_is_unbiased_with_the_stated_error(pulses: int):
    """Morris: the variance of the estimate is n (n - 1) / (2 a), a = 8."""
    count = 20_000
    found = ESTIMATE[worn(pulses, count).counts]
    variance = pulses * (pulses - 1) / 16
    assert abs(found.mean() - pulses) <= 4 * math.sqrt(variance / count)
    if pulses > 1:
        fourth = np.mean((found - found.mean()) ** 4)
        assert abs(found.var() - variance) < 4 * math.sqrt((fourth - variance**2) / count)
        assert found.std() / pulses <= 0.25 * 1.05


def test_both_routes_count_alike_whatever_the_portions():
    count = 20_000
    wear = {name: Wear(WearParameters(half_velocity_pulses=1e4), np.zeros(count, np.uint8), 3) for name in "abc"}
    position, nothing = placed(0.5, count), np.zeros(count, np.uint8)
    everybody = np.arange(count, dtype=np.uint32)
    for event in range(8):
        push = np.full(count, 250, np.uint8)
        wear["a"].wear_range(position, placed(0.5, count), 0, push, nothing, (0.0, 0.0), event)
    for event in range(80):
        push = np.full(count, 25, np.uint8)
        wear["b"].wear_range(position, placed(0.5, count), 0, nothing, push, (0.0, 0.0), 100 + event)
    push = np.full(count, 2000, np.int64)
    wear["c"].wear_selected(position, placed(0.5, count), everybody, push, 0 * push, (0.0, 0.0), 200)
    low = min(int(one.counts.min()) for one in wear.values())
    table = np.array([np.bincount(one.counts, minlength=256)[low:] for one in wear.values()])
    table = table[:, table.sum(axis=0) >= 15]
    assert stats.chi2_contingency(table).pvalue > 1e-4


def test_counters_stop_at_their_top():
    wear = Wear(WearParameters(half_velocity_pulses=1e4), np.full(4, 254, np.uint8), 1)
    push = np.full(4, 10**18, np.int64)
    wear.wear_selected(placed(0.5, 4), placed(0.5, 4), np.arange(4, dtype=np.uint32), push, 0 * push, (0.0, 0.0), 1)
    assert wear.counts.tolist() == [255] * 4
    full = np.full(4, 255, np.uint8)
    wear.wear_range(placed(0.5, 4), placed(0.5, 4), 0, full, full, (0.0, 0.0), 2)
    assert wear.counts.tolist() == [255] * 4


@pytest.mark.parametrize("decade", [2, 4, 6])
@pytest.mark.parametrize("route", ["range", "selected"])
def test_after_so_many_pulses_steps_are_shorter_and_noisier_by_the_law(decade: int, route: str):
    count = int(np.searchsorted(ESTIMATE, 10.0**decade))
    parameters = WearParameters(half_velocity_pulses=2e4, double_fano_pulses=5e5)
    wear = Wear(parameters, np.full(DEVICES, count, np.uint8), 1)
    push, pull, variances = 9, 4, (4e-6, 6e-6)
    mean, variance = 0.01, push * variances[0] + pull * variances[1]
    before = placed(0.5)
    z = np.random.default_rng(decade).standard_normal(DEVICES)
    position = (before + mean + math.sqrt(variance) * z).astype(np.float32)
    if route == "range":
        counts = np.full(DEVICES, push, np.uint8), np.full(DEVICES, pull, np.uint8)
        wear.wear_range(position, before, 0, *counts, variances, event=1)
    else:
        counts = np.full(DEVICES, push, np.int64), np.full(DEVICES, pull, np.int64)
        wear.wear_selected(position, before, np.arange(DEVICES, dtype=np.uint32), *counts, variances, event=1)
    pulses = ESTIMATE[count]
    gain, fano = 1 / (1 + pulses / 2e4), 1 + pulses / 5e5
    expected = gain * fano * variance
    assert_moments(position.astype(np.float64) - 0.5, gain * mean, expected, 3 * expected**2)


def test_wear_depends_neither_on_threads_nor_on_cutting():
    before = numba.get_num_threads()
    generator = np.random.default_rng(2)
    push, pull = (generator.integers(0, 256, DEVICES).astype(np.uint8) for _ in range(2))
    start = generator.integers(0, 90, DEVICES).astype(np.uint8)
    found = []
    for threads, cuts in ((before, (0, DEVICES)), (1, (0, 12_345, DEVICES))):
        wear = Wear(WearParameters(half_velocity_pulses=1e4), start.copy(), 5)
        position = placed(0.52)
        numba.set_num_threads(threads)
        try:
            for low, high in itertools.pairwise(cuts):
                part = slice(low, high)
                wear.wear_range(position, placed(0.5, high - low), low, push[part], pull[part], (1e-6, 1e-6), event=3)
        finally:
            numba.set_num_threads(before)
        found.append((position, wear.counts))
    assert np.array_equal(found[0][0], found[1][0])
    assert np.array_equal(found[0][1], found[1][1])
    assert (found[0][1] != start).any()
