"""Walls in wide tracks follow the law of creep, depinning and flow, and its closed forms.

Seeds are fixed. Deterministic results are held to 1e-3; bounds on random ones are 4 standard errors, or p-values of
1e-4: with fresh seeds one of these tests would fail in about 1 of 500 runs.
"""

import math
from dataclasses import replace

import numba
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from sim_instruments.physics.constants import BOLTZMANN_J_K, GYROMAGNETIC_M_A_S, VACUUM_PERMEABILITY_H_M
from sim_instruments.physics.creep.law import VelocityLaw
from sim_instruments.physics.creep.parameters import CreepParameters
from sim_instruments.physics.creep.pulse import displacement
from sim_instruments.physics.creep.velocity import (
    fano_length_m,
    pinned_velocity,
    speed_m_s,
    thermal_fano_length_m,
    velocity,
)
from sim_instruments.physics.creep.walls import CreepWalls
from sim_instruments.physics.presets import material, pinning
from sim_instruments.physics.pulse_shape import PulseLine
from sim_instruments.physics.walls import Drive
from sim_instruments.physics.write_line import WriteLine

LAW = VelocityLaw(depinning_drive=4.5e10, depinning_temperature_k=3000.0, depinning_velocity_m_s=5.0)
"""Driven by a current density, A/m^2."""
MOBILITY = 3e-10
MU0 = VACUUM_PERMEABILITY_H_M

LINE = WriteLine(
    length_m=40e-6,
    width_m=5e-6,
    heavy_metal_thickness_m=3e-9,
    heavy_metal_resistivity_ohm_m=120e-8,
    magnet_thickness_m=1e-9,
    magnet_resistivity_ohm_m=160e-8,
)
DEVICES = 20_000
DRIVE = Drive(push_amplitude_v=1.5, push_width_s=1e-8, pull_amplitude_v=1.5, pull_width_s=1e-8)


def _parameters(**changes) -> CreepParameters:
    values = {
        "material": material("w-cofeb-mgo"),
        "pinning": pinning("w-cofeb-mgo"),
        "write_line": LINE,
        "track_length_m": 20e-6,
        "avalanche_length_m": 20e-9,
    }
    return CreepParameters(**(values | changes))


def _walls(parameters: CreepParameters, count: int = DEVICES, seed: int = 3) -> CreepWalls:
    state = {kept.name: np.full(count, kept.initial, kept.dtype) for kept in CreepWalls.kept(parameters)}
    return CreepWalls(count, seed, parameters, state)


def _fire(walls: CreepWalls, push: int, pull: int, event: int, drive: Drive = DRIVE) -> np.ndarray:
    """Pulse every device and return the displacements, m."""
    before = walls.position.astype(np.float64)
    counts = np.full(len(before), push, np.uint8), np.full(len(before), pull, np.uint8)
    walls.pulse_range(0, *counts, drive, event)
    return (walls.position - before) * walls.parameters.track_length_m


def _depinning_velocity(temperature_k: float) -> float:
    return 0.65 * 5.0 * (temperature_k / 3000.0) ** 0.15


# ---------------------------------------------------------------------------------------------------- the law


@pytest.mark.parametrize("temperature_k", [200.0, 300.0, 400.0])
def test_creep_is_a_straight_line_in_the_inverse_fourth_root_of_the_drive(temperature_k: float):
    drive = np.linspace(0.05, 0.99, 40) * 4.5e10
    logarithm = np.log(pinned_velocity(drive, temperature_k, LAW))
    slope, intercept = np.polyfit(drive**-0.25, logarithm, 1)
    assert slope == pytest.approx(-(3000.0 / temperature_k) * 4.5e10**0.25, rel=1e-6)
    assert intercept == pytest.approx(math.log(_depinning_velocity(temperature_k)) + 3000.0 / temperature_k, rel=1e-6)
    assert np.polyval([slope, intercept], drive**-0.25) == pytest.approx(logarithm, abs=1e-6)


def test_logarithmic_slope_at_the_depinning_drive():
    below = 4.5e10 * (1 - np.array([1e-6, 3e-6]))
    rise = np.diff(np.log(pinned_velocity(below, 300.0, LAW)))[0] / np.diff(below)[0]
    assert rise == pytest.approx(3000.0 / (4 * 300.0 * 4.5e10), rel=1e-3)


def test_depinning_rises_with_the_power_beta_when_it_is_cold():
    # Cold enough that thermal rounding is 1e-2 of the velocity scale, and adds 2.5e-3 * 1e-3 to the slope.
    over = np.geomspace(1e-4, 1e-2, 20)
    cold = pinned_velocity(4.5e10 * (1 + over), 3000.0e-12, LAW)
    assert np.polyfit(np.log(over), np.log(cold), 1)[0] == pytest.approx(0.25, rel=1e-3)
    assert cold[-1] == pytest.approx(5.0 * 1e-2**0.25, rel=1e-3)


def test_thermal_rounding_at_the_depinning_drive():
    temperatures = np.geomspace(10.0, 600.0, 10)
    rounded = pinned_velocity(4.5e10, temperatures, LAW)
    slope, _ = np.polyfit(np.log(temperatures), np.log(rounded), 1)
    assert slope == pytest.approx(0.15, rel=1e-6)
    assert rounded[0] == pytest.approx(_depinning_velocity(10.0), rel=1e-9)


@pytest.mark.parametrize("law", [LAW, LAW._replace(mobility=MOBILITY, saturation_velocity_m_s=40.0)])
def test_the_branches_meet(law: VelocityLaw):
    left, middle, right = velocity(4.5e10 * np.array([1 - 1e-9, 1, 1 + 1e-9]), 300.0, law)
    assert left == pytest.approx(middle, rel=1e-6)
    assert right == pytest.approx(middle, rel=1e-6)


def test_velocity_grows_with_drive_and_with_temperature_in_creep_and_has_its_sign():
    law = LAW._replace(mobility=MOBILITY, saturation_velocity_m_s=40.0)
    drive = np.geomspace(1e8, 1e13, 400)
    assert np.all(np.diff(velocity(drive, 300.0, law)) > 0)
    assert np.all(velocity(drive, 320.0, law)[drive < 4.5e10] > velocity(drive, 300.0, law)[drive < 4.5e10])
    assert np.array_equal(velocity(-drive, 300.0, law), -velocity(drive, 300.0, law))
    assert velocity(0.0, 300.0, law) == 0.0


def test_flow_far_above_depinning_is_linear_and_saturates():
    law = LAW._replace(mobility=MOBILITY)
    assert velocity(1e14, 300.0, law) == pytest.approx(MOBILITY * 1e14, rel=1e-3)
    # Ten times the drive: the share that pinning takes falls with the power 2 - 1 + 1/4.
    lost = [1 - velocity(drive, 300.0, law) / (MOBILITY * drive) for drive in (1e13, 1e14)]
    assert lost[0] / lost[1] == pytest.approx(10**1.25, rel=1e-2)
    assert velocity(1e14, 300.0, law._replace(saturation_velocity_m_s=40.0)) == pytest.approx(40.0, rel=1e-3)


def test_spin_orbit_torque_with_dmi_flows_as_the_closed_form():
    film = material("w-cofeb-mgo")
    parameters = _parameters()
    voltage_v = 1000.0
    field_a_m = film.spin_hall_field_a_m(LINE.heavy_metal_current_density_a_m2(voltage_v))
    assert parameters.torque_field_a_m(voltage_v) == pytest.approx(math.pi / 2 * abs(field_a_m))
    scale = math.pi / 2 * GYROMAGNETIC_M_A_S * film.wall_width_m
    expected = scale / math.sqrt((film.damping / field_a_m) ** 2 + film.dmi_field_a_m**-2)
    assert velocity(parameters.torque_field_a_m(voltage_v), 300.0, parameters.law) == pytest.approx(expected, rel=1e-3)
    saturation_m_s = math.pi / 2 * GYROMAGNETIC_M_A_S / MU0 * 0.14e-3 / 0.93e6
    assert parameters.law.saturation_velocity_m_s == pytest.approx(saturation_m_s, rel=1e-9)


def test_fano_length_is_the_avalanche_at_a_strong_drive_and_the_thermal_bound_at_a_weak_one():
    force = material("w-cofeb-mgo").force_per_field_n_m_a(100e-9)
    bounds = [thermal_fano_length_m(field_t / MU0, 300.0, force) for field_t in (1e-3, 5e-3, 20e-3)]
    assert np.array(bounds) / 1e-9 == pytest.approx([44.5, 8.91, 2.23], rel=5e-3)
    for field in np.geomspace(1.0, 1e6, 30):
        bound = thermal_fano_length_m(field, 300.0, force)
        fano = fano_length_m(field, 300.0, 20e-9, force)
        assert fano >= max(20e-9, bound) * (1 - 1e-12)
        half = force * field * 20e-9 / (2 * BOLTZMANN_J_K * 300.0)
        assert fano / (20e-9 / math.tanh(half)) == pytest.approx(1.0)
    weak = fano_length_m(1.0, 300.0, 20e-9, force)
    assert weak / thermal_fano_length_m(1.0, 300.0, force) == pytest.approx(1.0, rel=1e-3)


# -------------------------------------------------------------------------------------------------- one pulse


def test_a_pulse_moves_the_wall_by_the_integral_of_the_velocity_over_edges_and_heating():
    line = PulseLine(rise_time_s=3e-9, thermal_resistance_k_w=2e4, thermal_time_s=4e-9, temperature_k=300.0)
    parameters = _parameters(pulse_line=line, pulse_parts=64, stray_field_a_m=0.3e-3 / MU0)
    law, ohm = parameters.law, LINE.resistance_ohm
    stray = 0.3e-3 / MU0
    # Voltage and heating as functions of time, each integrated as they stand.
    width_s = 1e-8
    ends = [0.0, 3e-9, width_s, width_s + 3e-9, width_s + 3e-9 + math.log(100) * 4e-9]
    times = np.linspace(0, ends[-1], 40_001)
    voltages = 1.5 * np.clip(np.minimum(times, width_s + 3e-9 - times) / 3e-9, 0, 1)
    powers, step_s = voltages**2 / ohm, times[1]
    rises = np.zeros(len(times))
    for i in range(1, len(times)):
        middle = (powers[i] + powers[i - 1]) / 2
        rises[i] = rises[i - 1] + (2e4 * middle - rises[i - 1]) * -math.expm1(-step_s / 4e-9)
    fields = np.array([parameters.torque_field_a_m(v) for v in voltages]) + stray
    expected_m = np.trapezoid(velocity(fields, 300.0 + rises, law), times)
    found = displacement(parameters, 1.5, width_s)
    assert found.mean_m / expected_m == pytest.approx(1.0, rel=1e-3)
    assert found.variance_m2 / (20e-9 * expected_m) == pytest.approx(1.0, rel=1e-3)
    assert rises.max() > 10  # K, of barriers of 3000 K at 300 K: a third of a per cent in velocity each
    cold = _parameters(pulse_line=PulseLine(rise_time_s=3e-9), stray_field_a_m=0.3e-3 / MU0)
    assert found.mean_m > 1.03 * displacement(cold, 1.5, width_s).mean_m


def test_stray_field_makes_pushes_longer_than_pulls_as_the_law_says():
    parameters = _parameters(stray_field_a_m=0.2e-3 / MU0)
    torque = parameters.torque_field_a_m(1.5)
    stray = 0.2e-3 / MU0
    push, pull = displacement(parameters, 1.5, 1e-8), displacement(parameters, -1.5, 1e-8)
    assert push.mean_m / 1e-8 == pytest.approx(speed_m_s(torque + stray, 300.0, parameters.law))
    assert pull.mean_m / 1e-8 == pytest.approx(-speed_m_s(torque - stray, 300.0, parameters.law))
    walls = _walls(parameters)
    moved = _fire(walls, 20, 20, event=1)
    expected_m = 20 * (push.mean_m + pull.mean_m)
    variance_m2 = 20 * (push.variance_m2 + pull.variance_m2)
    assert expected_m > 20 * math.sqrt(variance_m2 / DEVICES)
    assert abs(moved.mean() - expected_m) < 4 * math.sqrt(variance_m2 / DEVICES)


@pytest.mark.parametrize(("law", "kurtosis"), [("gaussian", 0.0), ("gamma", 6.0), ("compound-poisson", None)])
@pytest.mark.parametrize("pulses", [1, 30])
def test_displacement_has_the_mean_the_variance_and_the_shape_of_its_law(law: str, kurtosis: float | None, pulses: int):
    parameters = _parameters(increments=law, avalanche_cv=0.5)
    one = displacement(parameters, 1.5, 1e-8)
    moved = _fire(_walls(parameters), pulses, 0, event=7)
    mean, variance = pulses * one.mean_m, pulses * one.variance_m2
    assert one.variance_m2 / one.mean_m / 20e-9 == pytest.approx(1.0, rel=1e-3)
    assert abs(moved.mean() - mean) < 4 * math.sqrt(variance / DEVICES)
    spread = stats.moment(moved, 4) / variance**2 - 1
    assert abs(moved.var() / variance - 1) < 4 * math.sqrt(spread / DEVICES)
    if law == "gaussian":
        assert stats.kstest((moved - mean) / math.sqrt(variance), "norm").pvalue > 1e-4
    elif law == "gamma" and pulses > 1:
        exact = stats.gamma(mean**2 / variance, scale=variance / mean)
        # Positions are kept in single precision: compare above its grain.
        assert stats.kstest(moved, exact.cdf).pvalue > 1e-4
    elif law == "compound-poisson":
        none = np.count_nonzero(moved == 0.0)
        chance = math.exp(-pulses * one.mean_m**2 * (1 + 0.25) / one.variance_m2)
        assert abs(none - DEVICES * chance) < 4 * math.sqrt(DEVICES * chance * (1 - chance) + 1)
        # Third cumulant of a compound Poisson sum of gamma sizes: number * mean size^3 (1 + cv^2)(1 + 2 cv^2).
        expected = pulses * one.mean_m**2 * 1.25 / one.variance_m2
        third = expected * (pulses * one.mean_m / expected) ** 3 * 1.25 * 1.5
        error = math.sqrt(stats.moment(moved, 6) / DEVICES)
        assert abs(stats.moment(moved, 3) - third) < 4 * error


def test_increments_at_a_weak_drive_go_both_ways_with_the_thermal_variance():
    # A narrow wire at the foot of the creep regime, where the thermal bound exceeds the avalanche.
    parameters = _parameters(write_line=replace(LINE, width_m=0.5e-6), avalanche_length_m=1e-9)
    one = displacement(parameters, 0.1, 1e-3)
    bound = thermal_fano_length_m(parameters.torque_field_a_m(0.1), 300.0, parameters.force_per_field_n_m_a)
    assert bound > 10e-9
    assert one.variance_m2 / one.mean_m / bound == pytest.approx(1.0, rel=2e-3)


# ---------------------------------------------------------------------------------------------- what can stop a wall


def test_below_the_threshold_nothing_moves_at_all():
    field_a_m = _parameters().torque_field_a_m(1.5)
    for share, moves in ((1.001, False), (0.999, True)):
        parameters = _parameters(threshold_field_a_m=share * field_a_m)
        walls = _walls(parameters)
        moved = _fire(walls, 200, 100, event=1)
        assert bool(np.any(moved != 0)) is moves


def test_at_rest_a_wall_creeps_in_its_stray_field_and_only_there():
    still = _walls(_parameters())
    still.rest(1e6, event=1)
    assert np.all(still.position == 0.5)
    parameters = _parameters(stray_field_a_m=0.5e-3 / MU0)
    drive = 0.5e-3 / MU0
    speed = float(velocity(drive, 300.0, parameters.law))
    walls = _walls(parameters)
    walls.rest(2e-6 / speed, event=1)
    moved = (walls.position.astype(np.float64) - 0.5) * 20e-6
    variance = 2e-6 * fano_length_m(drive, 300.0, 20e-9, parameters.force_per_field_n_m_a)
    assert abs(moved.mean() - 2e-6) < 4 * math.sqrt(variance / DEVICES)
    assert abs(moved.var() / variance - 1) < 4 * math.sqrt(2 / DEVICES)
    held = _walls(_parameters(stray_field_a_m=0.5e-3 / MU0, threshold_field_a_m=0.6e-3 / MU0))
    held.rest(1e6, event=1)
    assert np.all(held.position == 0.5)


def test_walls_stop_at_both_ends():
    walls = _walls(_parameters(), count=2000)
    hard = Drive(push_amplitude_v=10.0, push_width_s=1e-6, pull_amplitude_v=10.0, pull_width_s=1e-6)
    _fire(walls, 10, 0, 1, hard)
    assert np.all(walls.position == 1.0)
    _fire(walls, 0, 10, 2, hard)
    assert np.all(walls.position == 0.0)
    _fire(walls, 5, 200, 3)
    assert walls.position.min() == 0.0
    assert walls.position.max() < 0.01


def test_devices_differ_in_field_barrier_and_stray_field_and_keep_their_character():
    parameters = _parameters(
        depinning_field_dtod=0.08,
        depinning_temperature_dtod=0.05,
        stray_field_dtod_a_m=0.05e-3 / MU0,
        avalanche_length_m=1e-13,
        write_line=replace(LINE, width_m=1e-2),  # so wide that the thermal bound is nothing
    )
    walls = _walls(parameters)
    first, second = _fire(walls, 50, 0, 1), _fire(walls, 50, 0, 2)
    assert np.corrcoef(first, second)[0, 1] > 0.999
    # The same displacements from the law, each device's three deviations normal and independent.
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    law, torque = parameters.law, parameters.torque_field_a_m(1.5)
    a, b, c = np.meshgrid(nodes, nodes, nodes)
    weight = (weights[:, None, None] * weights[None, :, None] * weights[None, None, :]) / weights.sum() ** 3
    stray = 0.05e-3 / MU0
    way = np.empty(a.shape)
    for index in np.ndindex(a.shape):
        own = law._replace(
            depinning_drive=law.depinning_drive * (1 + 0.08 * a[index]),
            depinning_temperature_k=law.depinning_temperature_k * (1 + 0.05 * b[index]),
        )
        way[index] = 50e-8 * speed_m_s(torque + stray * c[index], 300.0, own) if abs(a[index]) < 9 else 0.0
    weight = weight.transpose(1, 0, 2)
    mean = float((weight * way).sum())
    variance = float((weight * (way - mean) ** 2).sum())
    assert abs(first.mean() - mean) < 4 * math.sqrt(variance / DEVICES)
    fourth = float((weight * (way - mean) ** 4).sum())
    assert abs(first.var() - variance) < 4 * math.sqrt((fourth - variance**2) / DEVICES)


# ------------------------------------------------------------------------------------------------------ nucleation


def _nucleating(**changes) -> CreepParameters:
    limit = 0.9 * LINE.heavy_metal_current_density_a_m2(6.0)
    return _parameters(nucleation_current_density_a_m2=limit, nucleation_rate_hz=2e7, **changes)


STRONG = Drive(push_amplitude_v=6.0, push_width_s=1e-8, pull_amplitude_v=6.0, pull_width_s=1e-8)


def test_nucleation_has_the_probability_of_its_rate_and_puts_the_wall_anywhere():
    walls = _walls(_nucleating())
    _fire(walls, 0, 3, 1, STRONG)
    chance = 1 - math.exp(-2e7 * 3e-8)
    count = int(walls.nucleated.sum())
    assert abs(count - DEVICES * chance) < 4 * math.sqrt(DEVICES * chance * (1 - chance))
    assert stats.kstest(walls.position[walls.nucleated == 1], "uniform").pvalue > 1e-4
    weak = _walls(_nucleating())
    _fire(weak, 100, 0, 1)
    assert not weak.nucleated.any()


def test_a_nucleated_device_follows_no_pulse_until_it_is_swept():
    parameters = _nucleating()
    walls = _walls(parameters)
    _fire(walls, 1, 0, 1, STRONG)
    lost = walls.nucleated == 1
    place = walls.position[lost].copy()
    assert np.all(_fire(walls, 50, 0, 2)[lost] == 0)
    walls.rest(1.0, event=3)
    # As many pulses as would have taken a wall over the whole track: 20 um, less what the 50 have swept.
    way_m = displacement(parameters, 1.5, 1e-7).mean_m
    left_m = 20e-6 - 50 * displacement(parameters, 1.5, 1e-8).mean_m
    needed = math.ceil(left_m / way_m)
    long = Drive(push_amplitude_v=1.5, push_width_s=1e-7, pull_amplitude_v=1.5, pull_width_s=1e-7)
    event = 4
    for _ in range(needed - 1):
        _fire(walls, 1, 0, event, long)
        event += 1
    assert np.array_equal(walls.position[lost], place)
    _fire(walls, 1, 0, event, long)
    assert np.all(walls.position[lost] == 1.0)
    assert not walls.nucleated.any()
    assert np.any(_fire(walls, 0, 5, event + 1)[lost] < 0)


def test_a_pull_begins_the_sweep_anew():
    parameters = _nucleating()
    walls = _walls(parameters, count=2000)
    _fire(walls, 5, 0, 1, STRONG)
    lost = walls.nucleated == 1
    long = Drive(push_amplitude_v=1.5, push_width_s=16e-6, pull_amplitude_v=1.5, pull_width_s=16e-6)
    assert 0.5 * 20e-6 < displacement(parameters, 1.5, 16e-6).mean_m < 20e-6
    for event in range(2, 6):
        _fire(walls, 1, 1, event, long)
    assert np.all(walls.nucleated[lost] == 1)
    _fire(walls, 0, 1, 6, long)
    assert np.all(walls.position[lost] == 0.0)


# ---------------------------------------------------------------------------------------------------- determinism


@pytest.mark.parametrize("law", ["gaussian", "gamma", "compound-poisson"])
def test_results_depend_neither_on_threads_nor_on_cutting_nor_on_the_route(law: str):
    before = numba.get_num_threads()
    changes = {"increments": law, "depinning_field_dtod": 0.1, "stray_field_dtod_a_m": 80.0}
    whole, cut, chosen = (_walls(_nucleating(**changes), count=5000) for _ in range(3))
    push = np.random.default_rng(0).integers(0, 9, 5000).astype(np.uint8)
    pull = push[::-1].copy()
    whole.pulse_range(0, push, pull, STRONG, event=5)
    whole.rest(1.0, event=6)
    try:
        numba.set_num_threads(1)
        cut.pulse_range(0, push[:1234], pull[:1234], STRONG, event=5)
        cut.pulse_range(1234, push[1234:], pull[1234:], STRONG, event=5)
        cut.rest(1.0, event=6)
    finally:
        numba.set_num_threads(before)
    order = np.random.default_rng(1).permutation(5000).astype(np.uint32)
    chosen.pulse_selected(order, push[order].astype(np.int64), pull[order].astype(np.int64), STRONG, event=5)
    chosen.rest(1.0, event=6)
    for other in (cut, chosen):
        assert np.array_equal(whole.position, other.position)
        assert np.array_equal(whole.nucleated, other.nucleated)


def test_what_was_delivered_is_counted():
    walls = _walls(_parameters(), count=3000)
    push, pull = np.arange(3000, dtype=np.uint32) % 5, np.arange(3000, dtype=np.uint32) % 3
    moved = walls.pulse_range(0, push.astype(np.uint8), pull.astype(np.uint8), DRIVE, event=1)
    assert (moved.push_pulses, moved.pull_pulses) == (int(push.sum()), int(pull.sum()))
    assert moved.busy_s / 6e-8 == pytest.approx(3.0)
    chosen = walls.pulse_selected(np.array([7], np.uint32), np.array([4]), np.array([1]), DRIVE, event=2)
    assert (chosen.push_pulses, chosen.pull_pulses, chosen.busy_s / 1e-8) == (4, 1, pytest.approx(5.0))


def test_a_train_of_pulses_is_hotter_than_single_ones():
    line = PulseLine(thermal_resistance_k_w=1e5, thermal_time_s=50e-9)
    single = displacement(_parameters(pulse_line=line), 1.5, 1e-8)
    train = displacement(_parameters(pulse_line=line, pulse_period_s=20e-9), 1.5, 1e-8)
    assert train.mean_m > 1.05 * single.mean_m
    # A pulse longer than the period is no error: the next one follows at once.
    assert displacement(_parameters(pulse_line=line, pulse_period_s=20e-9), 1.5, 1e-7).mean_m > 5 * train.mean_m


def test_the_integral_of_the_velocity_over_a_rectangular_pulse_is_exact():
    parameters = _parameters()
    expected = quad(lambda _: float(velocity(parameters.torque_field_a_m(1.5), 300.0, parameters.law)), 0, 1e-8)[0]
    assert displacement(parameters, 1.5, 1e-8).mean_m / expected == pytest.approx(1.0, rel=1e-9)
