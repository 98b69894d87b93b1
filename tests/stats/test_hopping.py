"""Walls that hop follow the closed forms of the tilted washboard, of renewal and of first passage.

Seeds are fixed. Bounds on samples are 4 standard errors, or p-values of 1e-4: with fresh seeds one of these tests would
fail in about 1 of 150 runs. Closed forms agree with each other to 1e-3. Where a formula is an approximation the test
says by how much theory expects it to be off.
"""

import dataclasses
import math

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import stats
from scipy.special import i0

from sim_instruments.physics.constants import BOLTZMANN_J_K
from sim_instruments.physics.hopping import langevin, renewal, washboard
from sim_instruments.physics.hopping.disorder import landscape, weibull_shape
from sim_instruments.physics.hopping.parameters import HoppingParameters
from sim_instruments.physics.hopping.samples import first_passage_times, pulse_displacements
from sim_instruments.physics.hopping.walls import HoppingWalls
from sim_instruments.physics.pulse_shape import PulseLine, segments
from sim_instruments.physics.walls import Drive

KT = BOLTZMANN_J_K * 300
SPACING_M = 25e-9
WALLS = 20_000
RIGID = TypeAdapter(HoppingParameters).validate_python(
    {
        "track_length_m": 80 * SPACING_M,
        "site_spacing_m": SPACING_M,
        "barrier_j": 20 * KT,
        "write_line": {
            "length_m": 3e-6,
            "width_m": 1e-7,
            "heavy_metal_thickness_m": 3e-9,
            "heavy_metal_resistivity_ohm_m": 1.2e-6,
            "magnet_thickness_m": 1e-9,
            "magnet_resistivity_ohm_m": 1.6e-6,
        },
        "material": {
            "saturation_magnetisation_a_m": 9.3e5,
            "exchange_stiffness_j_m": 15e-12,
            "effective_anisotropy_j_m3": 4e5,
            "damping": 0.09,
            "thickness_m": 1e-9,
            "spin_hall_angle": -0.2,
        },
    }
)
"""A track without disorder."""
RATE = KT / (RIGID.friction_kg_s * SPACING_M**2)
"""1/s, of the reduced units."""


def _with_barrier(barrier_kt: float, **changes: object) -> HoppingParameters:
    return dataclasses.replace(RIGID, barrier_j=barrier_kt * KT, **changes)


def _volts(work_kt: float) -> float:
    return work_kt * KT / SPACING_M / RIGID.force_per_volt_n_v


def _walls(parameters: HoppingParameters, count: int, *, position: float = 0.5, seed: int = 1) -> HoppingWalls:
    state = {kept.name: np.full(count, kept.initial, kept.dtype) for kept in HoppingWalls.kept(parameters)}
    state["position"][:] = position
    return HoppingWalls(count, seed, parameters, state)


def _assert_moments(sample: np.ndarray, mean: float, variance: float) -> None:
    n = len(sample)
    kurtosis = stats.kurtosis(sample)
    assert abs(sample.mean() - mean) < 4 * math.sqrt(variance / n)
    assert abs(sample.var() / variance - 1) < 4 * math.sqrt((2 + max(kurtosis, 0)) / n)


# The continuous washboard


@pytest.mark.parametrize(("work", "velocity", "diffusion"), [(4.0, 1.0469, 0.4794), (12.0, 7.2610, 1.5658)])
def test_brute_force_agrees_with_stratonovich_and_reimann(work: float, velocity: float, diffusion: float):
    # Item 5 of the reference's closed forms: V0 = 4 kT.
    assert washboard.velocity(4, work) == pytest.approx(velocity, rel=1e-3)
    assert washboard.diffusion(4, work) == pytest.approx(diffusion, rel=1e-3)
    middle = langevin.endpoints(4, work, 1.0, np.zeros(2000), seed=1)
    end = langevin.endpoints(4, work, 10.0, middle, seed=2)
    _assert_moments(end - middle, 10 * velocity, 20 * diffusion)


def test_velocity_and_diffusion_have_their_limits():
    for work in (0.5, 6.0):  # no barrier: Einstein
        assert washboard.velocity(1e-3, work) == pytest.approx(work, rel=1e-6)
        assert washboard.diffusion(1e-3, work) == pytest.approx(1.0, rel=1e-6)
    # no force: Lifson and Jackson
    assert washboard.mobility(5.0, 0.0) == pytest.approx(1 / i0(2.5) ** 2, rel=1e-9)
    assert washboard.diffusion(5.0, 1e-9) == pytest.approx(1 / i0(2.5) ** 2, rel=1e-6)
    # deep wells: Poisson hops both ways
    forward, backward = washboard.hop_rates(20.0, 2.0)
    assert washboard.diffusion(20.0, 2.0) == pytest.approx((forward + backward) / 2, rel=1e-3)
    # far above all barriers, without noise: the wall that slows down on every slope
    assert washboard.velocity(300.0, 300 * math.pi * 2) == pytest.approx(300 * math.pi * math.sqrt(3), rel=1e-3)


@pytest.mark.parametrize(("barrier_kt", "work"), [(10, 0.0), (10, 2.0), (10, 5.0), (14, 12.0)])
def test_kramers_law_is_as_good_as_its_first_correction_says(barrier_kt: float, work: float):
    along, against = washboard.kramers_rates(barrier_kt, work)
    exact = washboard.hop_rates(barrier_kt, work)
    assert along / against == pytest.approx(math.exp(work), rel=1e-12)
    assert exact[0] / exact[1] == pytest.approx(math.exp(work), rel=1e-12)
    # Next order of the saddle-point integrals, in the inverse of the curvature s of well and barrier (in pi^2 g):
    # 1 + (1 / 4 + 5 t^2 / (12 (1 - t^2))) / (g s) with s = sqrt(1 - t^2), from the cubic and quartic terms of each.
    tilt = work / (math.pi * barrier_kt)
    s = math.sqrt(1 - tilt**2)
    correction = 1 + (0.25 + 5 * tilt**2 / (12 * s**2)) * 2 / (barrier_kt * s)
    assert along / exact[0] == pytest.approx(correction, rel=0.02)
    barrier = barrier_kt * float(washboard.relative_barrier(tilt))
    if 5.5 <= barrier <= 10:
        assert 0.04 < along / exact[0] - 1 < 0.08


def test_a_flat_track_without_drive_has_no_drift_and_spreads_by_einstein():
    end = langevin.endpoints(0, 0.0, 2.0, np.zeros(WALLS), steps=10)
    _assert_moments(end, 0.0, 4.0)


def test_a_flat_track_between_its_ends_is_filled_evenly():
    start = np.full(WALLS, 0.2)
    end = langevin.endpoints(0, 0.0, 8.0, start, steps=200, track=3.0)
    assert stats.kstest(end / 3, "uniform").pvalue > 1e-4


def test_a_static_potential_is_occupied_by_boltzmann():
    end = langevin.endpoints(2.0, 0.0, 1.0, np.full(WALLS, 0.5)) % 1.0
    edges = np.linspace(0, 1, 21)
    fine = (np.arange(2000) + 0.5) / 2000
    weight = np.exp(-2 * np.sin(np.pi * fine) ** 2).reshape(20, 100).sum(axis=1)
    counts = np.histogram(end, edges)[0]
    assert stats.chisquare(counts, WALLS * weight / weight.sum()).pvalue > 1e-4


# The chain under pulses


def test_deep_wells_give_poisson_hops_both_ways():
    work, hops = 1.5, 20.0
    forward, backward = (RATE * rate for rate in washboard.hop_rates(20, work))
    width_s = hops / forward
    moved = pulse_displacements(RIGID, _volts(work), width_s, WALLS)
    mean, variance = renewal.chain_moments(forward, backward, SPACING_M, width_s)
    _assert_moments(moved, mean, variance)
    fano_m = renewal.hop_fano_length_m(SPACING_M, work * KT / SPACING_M, 300)
    assert variance / mean == pytest.approx(fano_m, rel=1e-9)
    assert fano_m > renewal.least_fano_length_m(work * KT / SPACING_M, 300)
    skellam = stats.skellam(forward * width_s, backward * width_s)
    hop = np.rint(moved / SPACING_M)
    edges = np.arange(0, 33, 2)
    counts = np.histogram(hop, [-np.inf, *(edges + 0.5), np.inf])[0]
    shares = np.diff([0, *skellam.cdf(edges), 1])
    assert stats.chisquare(counts, WALLS * shares).pvalue > 1e-4


@pytest.mark.parametrize("tilt", [0.7, 0.95, 1.05, 1.5])
def test_velocity_and_diffusion_are_exact_through_the_vanishing_of_barriers(tilt: float):
    # What a longer pulse adds, so that the first hop and the last half do not count.
    work = tilt * math.pi * 20
    velocity, diffusion = RATE * washboard.velocity(20, work), RATE * washboard.diffusion(20, work)
    short, long = (
        pulse_displacements(RIGID, _volts(work), hops / velocity, WALLS, seed=seed, start=0.1) / SPACING_M
        for hops, seed in ((15, 1), (45, 2))
    )
    noise = math.sqrt((long.var() + short.var()) / WALLS)
    assert abs(long.mean() - short.mean() - 30) < 4 * noise
    spread = math.sqrt(2 * (long.var() ** 2 + short.var() ** 2) / WALLS)
    # Tables of c are good to 0.005, which is that share of p^2 for each hop.
    assert abs(long.var() - short.var() - 60 * diffusion / velocity) < 4 * spread + 30 * 0.005


@pytest.mark.parametrize("tilt", [0.8, 1.1, 1.5])
def test_whole_pulses_agree_with_brute_force(tilt: float):
    # The chain has the exact velocity; where a pulse begins and ends in a crossing it may be off by 0.06 of a hop.
    barrier_kt, hops = 10.0, 6.0
    work = tilt * math.pi * barrier_kt
    duration = hops / washboard.velocity(barrier_kt, work)
    driven = langevin.endpoints(barrier_kt, work, duration, np.zeros(1500), seed=3)
    truth = np.rint(langevin.endpoints(barrier_kt, 0.0, 0.04, driven, seed=4))
    chain = pulse_displacements(_with_barrier(barrier_kt), _volts(work), duration / RATE, WALLS) / SPACING_M
    assert abs(chain.mean() - truth.mean()) < 0.06 + 4 * truth.std() / math.sqrt(1500)
    assert abs(chain.var() / truth.var() - 1) < 0.06 + 4 * math.sqrt(2 / 1500)


def test_narrow_tracks_creep_in_proportion_to_a_small_drive():
    # v = 2 p r sinh(F p / 2 kT): linear in the drive, no stretched exponential.
    slopes = [washboard.velocity(20, work) / work for work in (1e-3, 0.01, 0.1)]
    assert slopes[2] == pytest.approx(slopes[0], rel=1e-3)
    still = washboard.hop_rates(20, 0.0)[0]
    for work in (0.2, 0.5, 1.0):
        assert washboard.velocity(20, work) == pytest.approx(2 * still * math.sinh(work / 2), rel=1.2e-2 * work**2)
    width_s = 400 / (RATE * still)
    long = _with_barrier(20, track_length_m=300 * SPACING_M)
    for work in (0.1, 0.2):
        moved = pulse_displacements(long, _volts(work), width_s, 5000) / SPACING_M
        assert abs(moved.mean() - 400 * work) < 4 * moved.std() / math.sqrt(5000)


def test_a_pulse_train_adds_up_mean_and_variance():
    work = 0.8 * math.pi * 20
    width_s = 4 / (RATE * washboard.velocity(20, work))
    one = pulse_displacements(RIGID, _volts(work), width_s, 4 * WALLS, start=0.1) / SPACING_M
    nine = pulse_displacements(RIGID, _volts(work), width_s, WALLS, pulses=9, start=0.1, seed=2) / SPACING_M
    assert abs(nine.mean() - 9 * one.mean()) < 4 * math.sqrt((nine.var() + 81 * one.var() / 4) / WALLS)
    assert abs(nine.var() / one.var() / 9 - 1) < 4 * math.sqrt((2 + 1 / 2) / WALLS)
    fano = nine.var() / nine.mean()
    assert fano == pytest.approx(one.var() / one.mean(), rel=4 * math.sqrt(2.5 / WALLS) + 0.01)


def test_edges_and_heat_act_piece_by_piece():
    line = PulseLine(rise_time_s=4e-8, thermal_resistance_k_w=3e5, thermal_time_s=5e-8)
    warm = dataclasses.replace(RIGID, pulse_line=line)
    volts, width_s = _volts(0.62 * math.pi * 20), 1.5e-7
    cut = segments(volts, width_s, line, RIGID.write_line.resistance_ohm)
    assert cut.temperature_k.max() > 310
    forward, backward = 0.0, 0.0
    for duration_s, voltage_v, temperature_k in zip(cut.duration_s, cut.voltage_v, cut.temperature_k, strict=True):
        kt = BOLTZMANN_J_K * temperature_k
        work = RIGID.force_per_volt_n_v * voltage_v * SPACING_M / kt
        unit = kt / (RIGID.friction_kg_s * SPACING_M**2)
        rates = washboard.hop_rates(20 * KT / kt, work)
        forward += rates[0] * unit * duration_s
        backward += rates[1] * unit * duration_s
    moved = pulse_displacements(warm, volts, width_s, WALLS, start=0.1) / SPACING_M
    _assert_moments(moved, forward - backward, forward + backward)
    cold = pulse_displacements(RIGID, volts, width_s, WALLS) / SPACING_M
    assert abs(cold.mean() / forward - 1) > 0.1


# Disorder


@pytest.mark.parametrize("law", ["lognormal", "weibull"])
def test_barriers_and_spacings_are_distributed_as_asked(law: str):
    parameters = _with_barrier(20, barrier_law=law, barrier_cv=0.3, spacing_cv=0.25)
    ground = landscape(1000, 3, parameters)
    barriers = ground.barrier_k * BOLTZMANN_J_K / (20 * KT)
    log_sd = math.sqrt(math.log1p(0.09))
    shape = weibull_shape(0.3)
    expected = (
        stats.lognorm(log_sd, scale=math.exp(-(log_sd**2) / 2))
        if law == "lognormal"
        else stats.weibull_min(shape, scale=1 / math.gamma(1 + 1 / shape))
    )
    assert expected.mean() == pytest.approx(1)
    assert expected.std() == pytest.approx(0.3)
    assert stats.kstest(barriers[::2], expected.cdf).pvalue > 1e-4
    # The last spacing of a track is what the others leave.
    spacings = np.concatenate([np.diff(track)[:-1] for track in np.split(ground.place, ground.first[1:-1])]) * 80.0
    assert stats.kstest(spacings[::7], stats.gamma(16, scale=1 / 16).cdf).pvalue > 1e-4
    assert abs(spacings.mean() - 1) < 4 * 0.25 / math.sqrt(len(spacings))


def test_devices_differ_as_stated():
    parameters = _with_barrier(20, barrier_dtod=0.1, spacing_dtod=0.05, torque_dtod=0.07, damping_dtod=0.02)
    ground = landscape(WALLS, 3, parameters)
    sites = np.diff(ground.first)
    barriers = ground.barrier_k[ground.first[:-1]] * BOLTZMANN_J_K / (20 * KT)
    for sample, spread in ((barriers, 0.1), (ground.torque, 0.07), (ground.friction, 0.02)):
        assert abs(sample.mean(dtype=float) - 1) < 4 * spread / math.sqrt(WALLS)
        # Normal numbers bounded at 4: their variance is short of 1 by 1e-4.
        assert abs(sample.std(dtype=float) / spread - 1) < 4 / math.sqrt(2 * WALLS) + 1e-4
    assert (80 / (sites - 1)).std() == pytest.approx(0.05, abs=0.003)
    assert abs(np.corrcoef(barriers, ground.torque)[0, 1]) < 4 / math.sqrt(WALLS)


def _push_and_doublet(parameters: HoppingParameters, work: float, width_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return displacements, in spacings, of one push and of the push with the pull that follows."""
    count = 2 * WALLS
    walls = _walls(parameters, count, position=0.3)
    walls.settle()
    start = walls.position.astype(np.float64)
    volts = _volts(work)
    drive = Drive(push_amplitude_v=volts, push_width_s=width_s, pull_amplitude_v=volts, pull_width_s=width_s)
    devices, one, none = np.arange(count, dtype=np.uint32), np.ones(count, np.int64), np.zeros(count, np.int64)
    walls.pulse_selected(devices, one, none, drive, event=1)
    push = walls.position - start
    walls.pulse_selected(devices, none, one, drive, event=2)
    return 80 * push, 80 * (walls.position - start)


def test_walls_remember_spacings_on_the_way_back():
    # At this drive a longer bond costs as much by its length as it gains by the work over it, so all sites hold a wall
    # equally long; shorter and longer by half they still do to 25 %, which the second theory knows and the first not.
    work, hops, cv = 4.3, 20.0, 0.5
    shares = stats.gamma.ppf((np.arange(200) + 0.5) / 200, 1 / cv**2, scale=cv**2)
    dwells_s = np.array([share**2 / washboard.hop_rates(20, work * share)[0] for share in shares]) / RATE
    push, doublet = _push_and_doublet(_with_barrier(20, spacing_cv=cv), work, hops * dwells_s.mean())
    rho = doublet.var() / (2 * push.var())
    noise = 4 * math.sqrt(4 / len(push))  # of a ratio of two variances
    fano_m, theory = renewal.frozen_moments(SPACING_M * shares, dwells_s, hops)
    assert theory == pytest.approx(1 / (1 + cv**2), rel=0.01)
    assert renewal.return_ratio(1e6, cv) == pytest.approx(1 / (1 + cv**2), rel=1e-3)
    # Both theories leave out hops backward, 2 % of all, and steps cut short by the pulse, 1 in 20.
    assert rho == pytest.approx(theory, rel=noise + 0.02)
    assert push.var() / push.mean() == pytest.approx(fano_m / SPACING_M, rel=noise + 0.05)
    equal_push, equal_doublet = _push_and_doublet(RIGID, work, hops * dwells_s.mean())
    assert equal_doublet.var() / (2 * equal_push.var()) == pytest.approx(1, rel=noise)
    assert abs(doublet.mean()) < 4 * doublet.std() / math.sqrt(len(push)) + 0.02


def test_walls_remember_barriers_on_the_way_back():
    work, hops, cv = 6 * math.pi, 30.0, 0.02
    log_sd = math.sqrt(math.log1p(cv**2))
    shares = np.exp(log_sd * stats.norm.ppf((np.arange(200) + 0.5) / 200) - log_sd**2 / 2)
    dwells_s = np.array([1 / washboard.hop_rates(20 * share, work)[0] for share in shares]) / RATE
    push, doublet = _push_and_doublet(_with_barrier(20, barrier_cv=cv), work, hops * dwells_s.mean())
    fano_m, theory = renewal.frozen_moments(np.full(200, SPACING_M), dwells_s, hops)
    noise = 4 * math.sqrt(4 / len(push))
    assert theory < 0.92
    # Ends of a pulse, of the order of one hop in 30.
    assert doublet.var() / (2 * push.var()) == pytest.approx(theory, rel=noise + 0.04)
    assert push.var() / push.mean() == pytest.approx(fano_m / SPACING_M, rel=noise + 0.03)


# Rest


def _rested(parameters: HoppingParameters, duration_s: float, count: int = WALLS) -> np.ndarray:
    """Return how far walls get at rest from the middle of their tracks, in spacings."""
    walls = _walls(parameters, count)
    walls.rest(duration_s, event=1)
    return np.rint((walls.position - 0.5) * parameters.track_length_m / SPACING_M)


def test_at_rest_walls_spread_without_drift():
    still = RATE * washboard.hop_rates(20, 0.0)[0]
    _assert_moments(_rested(RIGID, 15 / still), 0.0, 30.0)


def test_retention_follows_its_barrier():
    # Hops at the rate exp(-Delta) / tau0 either way, tau0 = zeta p^2 / (pi V0), less 1 / (2 Delta) of it; a wall that
    # hopped may be back.
    for delta in (30.0, 40.0):
        attempts = RATE * math.pi * delta
        duration_s = 0.2 * math.exp(delta) / attempts
        hops = 0.2 * (1 - 1 / (2 * delta))
        share = 1 - stats.skellam.pmf(0, hops, hops)
        stayed = _rested(_with_barrier(delta), duration_s) == 0
        assert abs((~stayed).mean() - share) < 4 * math.sqrt(share * (1 - share) / WALLS) + 1e-3
    ten_years_s = 3.15e8
    assert (_rested(_with_barrier(60), ten_years_s) == 0).all()


def test_long_rest_fills_a_track_evenly_and_a_stray_field_tilts_it():
    short = {"track_length_m": 10 * SPACING_M, "barrier_cv": 0.3}
    still = RATE * washboard.hop_rates(12, 0.0)[0]
    sites = np.arange(11)
    even = _rested(_with_barrier(12, **short), 1e9 / still, 4000) + 5
    assert stats.chisquare(np.histogram(even, np.arange(12) - 0.5)[0]).pvalue > 1e-4
    per_field = RIGID.material.force_per_field_n_m_a(RIGID.write_line.width_m)
    stray = _with_barrier(12, stray_field_a_m=0.3 * KT / SPACING_M / per_field, **short)
    tilted = _rested(stray, 1e9 / still, 4000) + 5
    weight = np.exp(0.3 * sites)
    counts = np.histogram(tilted, np.arange(12) - 0.5)[0]
    assert stats.chisquare(counts, 4000 * weight / weight.sum()).pvalue > 1e-4


def test_a_pulse_of_a_second_is_no_harder_than_one_of_a_nanosecond():
    # A wall that is held against an end stop hops back and forth there: Boltzmann in the tilted track.
    short = _with_barrier(12, track_length_m=10 * SPACING_M)
    moved = pulse_displacements(short, _volts(0.5), 1.0, 4000, start=0.0) / SPACING_M
    weight = np.exp(0.5 * np.arange(11))
    counts = np.histogram(moved, np.arange(12) - 0.5)[0]
    assert stats.chisquare(counts, 4000 * weight / weight.sum()).pvalue > 1e-4


def test_hops_followed_and_hops_summed_up_have_one_law():
    # Where barriers are low a wall hops a thousand times and more, where they are high not once. Each wall's place, in
    # terms of its own distribution, is uniform between the sums of shares below it and up to it.
    count = 1000
    parameters = _with_barrier(12, track_length_m=10 * SPACING_M, barrier_cv=0.3)
    walls = _walls(parameters, count)
    walls.settle()
    duration = 100 / washboard.hop_rates(12, 0.0)[0]
    walls.rest(duration / RATE, event=1)
    ground = landscape(count, 1, parameters)
    barriers = ground.barrier_k.reshape(count, 11)[:, :10] / np.float64(300)
    rates = 1 / i0(barriers / 2) ** 2
    sites = np.rint(walls.position * 10).astype(int)
    random = np.random.default_rng(2)
    generator = np.zeros((count, 11, 11))
    for bond in range(10):
        generator[:, bond, bond + 1] = generator[:, bond + 1, bond] = rates[:, bond]
    generator -= np.eye(11) * generator.sum(axis=2)[:, :, None]
    values, vectors = np.linalg.eigh(generator)  # without a force it is symmetric
    shares = np.einsum("ds,dks,ds->dk", vectors[:, 5], vectors, np.exp(np.minimum(values, 0) * duration))
    sums = np.cumsum(shares, axis=1)
    above = sums[np.arange(count), sites]
    place = random.uniform(above - shares[np.arange(count), sites], above)
    assert stats.kstest(place, "uniform").pvalue > 1e-4
    assert 0.2 < (rates.mean(axis=1) * duration > 1000).mean() < 0.98


# First passage


def test_drift_and_diffusion_pass_by_an_inverse_gaussian_time():
    times = langevin.passage_times(0, 5.0, 1.0, WALLS, step=1e-3)
    law = renewal.drift_passage(1.0, 5.0, 1.0)
    assert law.mean() == pytest.approx(0.2)
    assert law.var() == pytest.approx(2 / 125)
    _assert_moments(times, 0.2, 2 / 125)
    assert stats.kstest(times, law.cdf).pvalue > 1e-4


@pytest.mark.parametrize("sites", [1, 6])
def test_equal_sites_are_passed_in_a_gamma_time_and_one_in_an_exponential(sites: int):
    work = 0.5 * math.pi * 20
    dwell_s = 1 / (RATE * washboard.velocity(20, work))
    times = first_passage_times(RIGID, _volts(work), sites, WALLS)
    law = renewal.site_passage(sites, dwell_s)
    _assert_moments(times, sites * dwell_s, sites * dwell_s**2)
    assert stats.kstest(times, law.cdf).pvalue > 1e-4
    if sites == 1:
        assert stats.kstest(times, stats.expon(scale=dwell_s).cdf).pvalue > 1e-4
        censored = first_passage_times(RIGID, _volts(work), sites, WALLS, longest_s=dwell_s)
        assert np.array_equal(np.isinf(censored), times > dwell_s)


def test_a_running_wall_passes_many_sites_as_drift_and_diffusion_do():
    work = 1.05 * math.pi * 20
    velocity, diffusion = RATE * washboard.velocity(20, work), RATE * washboard.diffusion(20, work)
    times = first_passage_times(RIGID, _volts(-work), 30, WALLS)  # pulls pass backward
    law = renewal.drift_passage(30, velocity, diffusion)
    assert stats.kstest(times, law.cdf).pvalue > 1e-4
    assert abs(times.mean() / law.mean() - 1) < 4 * times.std() / law.mean() / math.sqrt(WALLS)
    assert abs(times.var() / law.var() - 1) < 4 * math.sqrt(2.5 / WALLS) + 0.01


def test_nobody_passes_an_end_stop():
    assert np.isinf(first_passage_times(RIGID, _volts(10.0), 41, 10)).all()
    assert np.isfinite(first_passage_times(RIGID, _volts(30.0), 40, 10)).all()


def test_renewal_moments_are_those_of_their_special_cases():
    mean, variance = renewal.renewal_moments(10.0, 0.5, 0.5, 2.0, 0.0)  # exponential dwells, equal steps: Poisson
    assert (mean, variance) == (40.0, 80.0)
    _, variance = renewal.renewal_moments(10.0, 0.5, 0.5, 2.0, 1.0)  # compound Poisson: lam m^2 (1 + cv^2)
    assert variance == pytest.approx(20 * 4 * (1 + 0.25))
    _, clockwork = renewal.renewal_moments(10.0, 0.5, 0.0, 2.0, 1.0)
    assert clockwork == pytest.approx(20 * 1.0)
