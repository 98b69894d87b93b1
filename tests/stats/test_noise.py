"""The devices' own noise follows its laws: levels, spectra, dwell times.

Seeds are fixed. Bounds are 4 standard errors of the estimate or p-values of 1e-4, on about 60 figures: with fresh seeds
one of these tests would fail in about 1 of 150 runs. Theory without sampling is met to rounding, or to the ripple that
is stated for it.
"""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import constants, signal, stats

from sim_instruments.physics.readout.contacts import Contacts, Windows
from sim_instruments.physics.readout.flicker import Flicker, FlickerNoise, carried, mean_variance
from sim_instruments.physics.readout.junction import Junction
from sim_instruments.physics.readout.parameters import Electrical
from sim_instruments.physics.readout.telegraph import Telegraph, TelegraphNoise
from sim_instruments.physics.readout.white_noise import (
    bandwidth_hz,
    junction_current_noise_a2_hz,
    terminal_current_noise_a2_hz,
    thermal_voltage_noise_v2_hz,
)

KT_300_J = constants.Boltzmann * 300
FLICKER = Flicker(hooge_um2=1e-9, area_um2=0.05, slowest_s=1e4)


def folded(
    law: Flicker | Telegraph, frequency_hz: np.ndarray, window_s: float, period_s: float | None = None
) -> np.ndarray:
    """The spectrum of means over windows, one a period: sinc^2, and what lies above half their rate."""
    coarse = np.geomspace(frequency_hz[1], frequency_hz[-1], 400)
    orders = coarse[:, np.newaxis] + np.arange(-100, 101) / (period_s or window_s)
    found = (law.spectrum_hz(np.abs(orders)) * np.sinc(orders * window_s) ** 2).sum(axis=1)
    return np.exp(np.interp(np.log(np.maximum(frequency_hz, coarse[0])), np.log(coarse), np.log(found)))


def in_decades(frequency_hz: np.ndarray, low_hz: float, high_hz: float, per_decade: int = 4) -> list[np.ndarray]:
    count = round(per_decade * math.log10(high_hz / low_hz))
    edges = np.geomspace(low_hz, high_hz, count + 1)
    return [(frequency_hz >= a) & (frequency_hz < b) for a, b in itertools.pairwise(edges)]


def test_the_relaxations_add_up_to_one_over_f():
    inside = np.geomspace(100 / (2 * math.pi * FLICKER.slowest_s), 1e5, 2000)
    assert FLICKER.spectrum_hz(inside) * inside == pytest.approx(2e-8, rel=0.01)
    middle = np.geomspace(1, 100, 500)
    assert FLICKER.spectrum_hz(middle) * middle == pytest.approx(2e-8, rel=2e-3)


def test_the_variance_of_a_reading_is_the_logarithm_of_session_over_reading():
    for window_s in (1e-6, 1e-3, 1.0):
        closed = 2e-8 * (math.log(1e4 / window_s) + 1.5 - np.euler_gamma)
        assert FLICKER.variance_of_reading(window_s) == pytest.approx(closed, rel=2e-3)
    # The usual estimate with 5 decades, A = 0.05 um^2 and alpha_H = 1e-9 um^2 is 4.8e-4.
    assert math.sqrt(FLICKER.variance_of_reading(0.1)) == pytest.approx(4.8e-4, rel=0.05)
    assert mean_variance(1e-3 * (1 + 1e-9)) == pytest.approx(mean_variance(1e-3 * (1 - 1e-9)), rel=1e-9)


def test_one_over_f_noise_has_slope_minus_one_over_three_decades_and_its_level():
    window_s, count = 1e-3, 1 << 15
    devices = 16
    noise = FlickerNoise(FLICKER, devices, np.random.default_rng(1))
    series = np.array([noise.read(0.0, window_s) for _ in range(count)])
    frequency_hz, density = signal.periodogram(series, 1 / window_s, window="hann", axis=0)
    density = density.mean(axis=1)
    bands = in_decades(frequency_hz, 0.1, 100.0)
    means = np.array([density[band].mean() for band in bands])
    middles = np.array([np.exp(np.log(frequency_hz[band]).mean()) for band in bands])
    # The mean of 1/f over a band is not its value in the middle: divide the shape out band by band.
    shape = np.array([(1 / frequency_hz[band]).mean() for band in bands]) * middles
    weights = np.sqrt([band.sum() for band in bands])
    assert abs(np.polyfit(np.log(middles), np.log(means / shape), 1, w=weights)[0] + 1) < 0.05
    expected = folded(FLICKER, frequency_hz, window_s)
    for band in bands:
        # A Hann window correlates neighbours: 1.94 times the variance of independent ordinates.
        error = math.sqrt(1.94 * (expected[band] ** 2).sum() / devices) / expected[band].sum()
        assert density[band].sum() / expected[band].sum() == pytest.approx(1, abs=4 * error)


def test_what_a_window_does_keeps_the_equilibrium_however_short_it_is():
    u = np.append(np.geomspace(1e-12, 500, 400), [2.9e-3, 3.1e-3])
    window = carried(u)
    assert window.decay**2 + window.end**2 == pytest.approx(np.ones_like(u), rel=1e-12)
    # With a start in equilibrium the mean has its variance. Small terms vanish in the sum: they are looked at alone.
    found = window.kept**2 + window.along**2 + window.apart**2
    assert found == pytest.approx(mean_variance(u), rel=1e-9)
    small = u < 1e-3
    assert window.along[small] ** 2 == pytest.approx(u[small] / 2, rel=2e-3)
    assert window.apart[small] ** 2 == pytest.approx(u[small] / 6, rel=1e-6)
    # The end and the mean are as correlated as an end and all that went before it.
    assert window.decay * window.kept + window.end * window.along == pytest.approx(window.kept, rel=1e-9)


@pytest.mark.parametrize(("gap_s", "window_s"), [(0.0, 1e-3), (1e-2, 1e-3), (100.0, 0.02), (0.0, 1e-9)])
def test_readings_far_and_near_are_as_correlated_as_their_spectrum_says(gap_s: float, window_s: float):
    devices = 20_000
    noise = FlickerNoise(FLICKER, devices, np.random.default_rng(2))
    first, second = noise.read(0.0, window_s), noise.read(gap_s, window_s)
    times = FLICKER.relaxation_times_s()
    u = window_s / times
    covariance = FLICKER.process_variance() * float(((-np.expm1(-u) / u) ** 2 * np.exp(-gap_s / times)).sum())
    variance = FLICKER.variance_of_reading(window_s)
    of_mean, of_change = (variance + covariance) / 2, 2 * (variance - covariance)
    assert first.mean() == pytest.approx(0, abs=4 * math.sqrt(variance / devices))
    for found, expected in (
        (first.var(), variance),
        (second.var(), variance),
        (((first + second) / 2).var(), of_mean),
        ((second - first).var(), of_change),
    ):
        assert found == pytest.approx(expected, rel=4 * math.sqrt(2 / devices))
    if not gap_s:
        # Two windows side by side are one of twice the length.
        assert of_mean == pytest.approx(FLICKER.variance_of_reading(2 * window_s), rel=1e-9)


def test_a_series_of_readings_with_pauses_has_the_spectrum_of_one_over_f():
    electrical = Electrical(
        conductance_low_s=2e-4,
        conductance_high_s=4e-4,
        write_resistance_ohm=2e3,
        flicker=replace(FLICKER, slowest_s=1e6),
    )
    devices, count, each = 8, 1 << 13, 64
    contacts = Contacts(electrical, np.full(devices, 0.25, np.float32), (7, 0))
    series = np.empty((devices, count))
    for device in range(devices):
        # In many calls, as a program would that asks for a few readings at a time.
        for first in range(0, count, each):
            windows = Windows(start_s=0.1 * first, period_s=0.1, window_s=0.02, count=each)
            series[device, first : first + each] = contacts.load((device,), windows).current_a(np.full(each, 0.1))
    relative = series / (0.1 * 2.5e-4) - 1
    frequency_hz, density = signal.periodogram(relative, 10.0, window="hann")
    expected = folded(replace(FLICKER, slowest_s=1e6), frequency_hz, 0.02, 0.1)
    for band in in_decades(frequency_hz, 4e-3, 4.0):
        error = math.sqrt(1.94 * (expected[band] ** 2).sum() / devices) / expected[band].sum()
        assert density.mean(axis=0)[band].sum() / expected[band].sum() == pytest.approx(1, abs=4 * error)
    below = (frequency_hz > 4e-3) & (frequency_hz < 0.4)
    assert expected[below] * frequency_hz[below] == pytest.approx(2e-8, rel=0.25)


SLOW = Telegraph(step=0.01, upper_s=2.0, lower_s=1.0)


def test_telegraph_noise_has_its_lorentzian():
    window_s, count = 0.2, 1 << 15
    noise = TelegraphNoise(SLOW, np.random.default_rng(3))
    series = np.array([noise.read(0.0, window_s) for _ in range(count)])
    segment = 1024
    frequency_hz, density = signal.welch(series, 1 / window_s, nperseg=segment, noverlap=0, detrend=False)
    expected = folded(SLOW, frequency_hz, window_s)
    for band in in_decades(frequency_hz, 0.02, 2.4):
        error = math.sqrt(1.94 * (expected[band] ** 2).sum() * segment / count) / expected[band].sum()
        assert density[band].sum() / expected[band].sum() == pytest.approx(1, abs=4 * error)
    # Correlated over 2/3 s: so many readings are worth that many independent ones.
    worth = count * window_s / (2 * SLOW.relaxation_s)
    assert series.mean() == pytest.approx(0, abs=4 * 0.01 * math.sqrt(2 / 9 / worth))


def test_dwell_times_are_exponential():
    # Looked at for an instant every half second, levels last a geometric number of looks.
    step_s, count = 0.5, 40_000
    noise = TelegraphNoise(SLOW, np.random.default_rng(4))
    levels = np.array([noise.read(step_s, 1e-9) > 0 for _ in range(count)])
    starts = np.flatnonzero(levels[1:] != levels[:-1]) + 1
    runs, is_up = np.diff(starts), levels[starts[:-1]]
    decay = math.exp(-step_s / SLOW.relaxation_s)
    for up, share in ((True, SLOW.upper_share), (False, 1 - SLOW.upper_share)):
        stays = share + (1 - share) * decay
        lengths = runs[is_up == up]
        longest = int(math.log(50 / len(lengths)) / math.log(stays))
        found = np.bincount(np.minimum(lengths, longest), minlength=longest + 1)[1:]
        expected = len(lengths) * np.append((1 - stays) * stays ** np.arange(longest - 1), stays ** (longest - 1))
        assert stats.chisquare(found, expected).pvalue > 1e-4


@pytest.mark.parametrize("window_s", [0.1, 1.0, 3.0, 8.0])
def test_a_window_without_a_jump_is_as_rare_as_a_dwell_so_long(window_s: float):
    count = 4000
    noise = TelegraphNoise(SLOW, np.random.default_rng(5))
    levels = (-SLOW.step * SLOW.upper_share, SLOW.step * (1 - SLOW.upper_share))
    kept, began, means = np.zeros(2), np.zeros(2), np.zeros(2)
    for _ in range(count):
        up = noise.read(10.0, 1e-9) > 0
        mean = noise.read(0.0, window_s)
        began[int(up)] += 1
        kept[int(up)] += abs(mean - levels[int(up)]) < 1e-12
        means[int(up)] += mean
    decay = -math.expm1(-window_s / SLOW.relaxation_s) / (window_s / SLOW.relaxation_s)
    for up, dwell_s in ((0, SLOW.lower_s), (1, SLOW.upper_s)):
        survival = math.exp(-window_s / dwell_s)
        error = math.sqrt(survival * (1 - survival) / began[up])
        assert kept[up] / began[up] == pytest.approx(survival, abs=4 * error)
        # Means lie within the step, so their deviation is at most half of it.
        assert means[up] / began[up] == pytest.approx(levels[up] * decay, abs=2 * SLOW.step / math.sqrt(began[up]))


@pytest.mark.parametrize("window_s", [0.5, 300.0, 1e5])
def test_the_mean_over_a_window_has_its_variance_however_many_jumps(window_s: float):
    count = 4000
    noise = TelegraphNoise(SLOW, np.random.default_rng(6))
    means = np.array([noise.read(20.0, window_s) for _ in range(count)])
    variance = SLOW.variance_of_reading(window_s)
    error = math.sqrt((stats.kurtosis(means) + 2) / count)
    assert means.var() == pytest.approx(variance, rel=4 * error)
    assert means.mean() == pytest.approx(0, abs=4 * math.sqrt(variance / count))


def test_a_resistor_of_a_kilohm_has_four_nanovolts():
    assert math.sqrt(thermal_voltage_noise_v2_hz(1e3, 300)) == pytest.approx(4.07e-9, rel=1e-3)
    assert bandwidth_hz(0.02) == 25


def test_shot_noise_becomes_thermal_noise_without_a_voltage():
    conductance_s = 3e-4
    at_rest = junction_current_noise_a2_hz(conductance_s, 0.0, 300)
    assert at_rest == pytest.approx(4 * KT_300_J * conductance_s, rel=1e-12)
    voltage_v = np.geomspace(1e-9, 1.0, 400)
    noise = junction_current_noise_a2_hz(conductance_s, voltage_v, 300)
    current_a = conductance_s * voltage_v
    direct = 2 * constants.e * current_a / np.tanh(constants.e * voltage_v / (2 * KT_300_J))
    assert noise == pytest.approx(direct, rel=1e-9)
    assert noise[0] == pytest.approx(at_rest, rel=1e-9)
    assert noise[-1] == pytest.approx(2 * constants.e * current_a[-1], rel=1e-9)
    # One noise, not the sum of two: half way it is well below that sum.
    half_way = noise / (4 * KT_300_J * conductance_s + 2 * constants.e * current_a)
    assert half_way.min() < 0.8
    assert (noise >= np.maximum(4 * KT_300_J * conductance_s, 2 * constants.e * current_a) * (1 - 1e-12)).all()


def test_at_rest_junction_and_channel_have_the_thermal_noise_of_their_sum():
    junction = Junction(
        conductance_low_s=2e-4, conductance_high_s=4e-4, bias_half_voltage_v=0.5, series_resistance_ohm=700.0
    )
    for share in (0.0, 0.3, 1.0):
        noise = terminal_current_noise_a2_hz(junction.at_voltage(share, 0.0), 700.0, 300)
        assert noise == pytest.approx(4 * KT_300_J * junction.conductance_s(share), rel=1e-12)
