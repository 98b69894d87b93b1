"""Collective coordinates follow the closed forms: velocities, thresholds, diffusion, equilibrium.

Deterministic results to 1e-3, velocities averaged over the turns of the angle to 3 % (they come out far closer), random
ones within 4 standard errors or at p > 1e-4. Seeds are fixed; with fresh ones about 1 run of this file in 400 would
fail.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, linalg, stats

from sim_instruments.physics.collective import closed_forms
from sim_instruments.physics.collective.energy import angle_stiffness_j, energy_j, resting_angle_rad
from sim_instruments.physics.collective.ensemble import evolve, step_error, trajectory
from sim_instruments.physics.collective.kernel import Pinning
from sim_instruments.physics.collective.parameters import CollectiveParameters
from sim_instruments.physics.collective.rest import Stillness, hop_rates, rest_walls
from sim_instruments.physics.collective.terms import Load, Wall
from sim_instruments.physics.collective.time_step import fastest_rate_1_s, thermal_variance_error
from sim_instruments.physics.collective.walls import CollectiveWalls
from sim_instruments.physics.constants import BOLTZMANN_J_K, GYROMAGNETIC_M_A_S, VACUUM_PERMEABILITY_H_M
from sim_instruments.physics.material import Material
from sim_instruments.physics.pulse_shape import PulseLine
from sim_instruments.physics.walls import Drive
from sim_instruments.physics.write_line import WriteLine

W_COFEB = Material(
    saturation_magnetisation_a_m=0.93e6,
    exchange_stiffness_j_m=15e-12,
    effective_anisotropy_j_m3=0.40e6,
    damping=0.09,
    thickness_m=1e-9,
    dmi_j_m2=0.14e-3,
    spin_hall_angle=-0.20,
    spin_polarisation=0.72,
)
BLOCH = Wall(
    damping=W_COFEB.damping,
    width_m=W_COFEB.wall_width_m,
    shape_field_a_m=W_COFEB.shape_field_a_m,
    dmi_field_a_m=0.0,
    force_per_field_n_m_a=W_COFEB.force_per_field_n_m_a(100e-9),
)
CHIRAL = BLOCH._replace(shape_field_a_m=0.0, dmi_field_a_m=W_COFEB.dmi_field_a_m)
FREE = BLOCH._replace(shape_field_a_m=0.0)
STEP_S = 4e-12
KT_300 = BOLTZMANN_J_K * 300.0


def _steady_velocity(wall: Wall, load: Load, angle_rad: float) -> float:
    q, _ = trajectory(np.array([0.0, 60e-9, 80e-9]), wall, load, STEP_S, angle_rad=angle_rad)
    return float(q[2] - q[1]) / 20e-9


def _turning_velocity(wall: Wall, load: Load) -> float:
    """Return the velocity over whole half-turns of the angle, after which the wall is as it was."""
    times = np.linspace(0.0, 60e-9, 6001)
    q, phi = trajectory(times, wall, load, STEP_S, angle_rad=math.pi / 2)
    turned = np.abs(phi - phi[0])
    whole = math.pi * np.array([1.0, math.floor(turned[-1] / math.pi)])
    assert whole[1] >= 3 * math.pi
    crossing = np.interp(whole, turned, times)
    return float(np.diff(np.interp(crossing, times, q))[0] / np.diff(crossing)[0])


# ---- velocities -----------------------------------------------------------------------------------------------------


def test_derived_numbers_of_the_material():
    mu0 = VACUUM_PERMEABILITY_H_M
    assert pytest.approx(6.12e-9, rel=2e-3) == W_COFEB.wall_width_m
    assert mu0 * W_COFEB.shape_field_a_m == pytest.approx(42.1e-3, rel=2e-3)
    assert mu0 * W_COFEB.dmi_field_a_m == pytest.approx(24.6e-3, rel=2e-3)
    assert mu0 * abs(W_COFEB.spin_hall_field_a_m(1e12)) == pytest.approx(70.8e-3, rel=2e-3)
    assert W_COFEB.spin_drift_velocity_m_s(1e12) == pytest.approx(44.8, rel=2e-3)
    assert mu0 * closed_forms.walker_field_a_m(BLOCH) == pytest.approx(1.89e-3, rel=3e-3)
    assert closed_forms.walker_velocity_m_s(BLOCH) == pytest.approx(22.7, rel=1e-3)
    assert closed_forms.spin_hall_saturation_m_s(CHIRAL) == pytest.approx(41.64, rel=1e-3)
    assert closed_forms.relaxation_time_s(BLOCH) == pytest.approx(1.51e-9, rel=3e-3)
    assert closed_forms.diffusion_m2_s(BLOCH, 300.0) == pytest.approx(2.67e-7, rel=2e-3)
    barrier = BLOCH.force_per_field_n_m_a * BLOCH.width_m * BLOCH.shape_field_a_m / 2
    assert barrier / KT_300 == pytest.approx(5.8, rel=5e-3)


@pytest.mark.parametrize("polarity", [1.0, -1.0])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.9, -0.5])
def test_field_below_the_walker_field(share: float, polarity: float):
    field = share * closed_forms.walker_field_a_m(BLOCH)
    wall = BLOCH._replace(field_z_a_m=field, polarity=polarity)
    expected = polarity * GYROMAGNETIC_M_A_S * wall.width_m * field / wall.damping
    assert closed_forms.field_velocity_m_s(wall, field) == pytest.approx(expected, rel=1e-12)
    assert _steady_velocity(wall, Load(), math.pi / 2) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("share", [1.5, 3.0, -10.0])
def test_field_above_the_walker_field(share: float):
    field = share * closed_forms.walker_field_a_m(BLOCH)
    velocity = _turning_velocity(BLOCH._replace(field_z_a_m=field), Load())
    assert velocity == pytest.approx(closed_forms.field_velocity_m_s(BLOCH, field), rel=3e-2)
    # The average is over whole turns, so nothing but the step's error should be left.
    assert velocity == pytest.approx(closed_forms.field_velocity_m_s(BLOCH, field), rel=2e-3)


def test_three_walker_fields_give_the_reference_figure():
    assert closed_forms.field_velocity_m_s(BLOCH, 3 * closed_forms.walker_field_a_m(BLOCH)) == pytest.approx(
        4.41, rel=2e-3
    )


@pytest.mark.parametrize(("beta", "share"), [(0.045, 0.5), (0.18, -0.9), (0.09, 4.0), (0.3, 0.9)])
def test_spin_transfer_below_the_threshold(beta: float, share: float):
    wall = BLOCH._replace(nonadiabaticity=beta)
    threshold = min(closed_forms.drift_threshold_m_s(wall), 100.0)
    velocity = _steady_velocity(wall, Load(drift_velocity_m_s=share * threshold), math.pi / 2)
    assert velocity == pytest.approx(beta / wall.damping * share * threshold, rel=1e-3)
    assert closed_forms.drift_velocity_m_s(wall, share * threshold) == pytest.approx(velocity, rel=1e-3)


@pytest.mark.parametrize(("beta", "share"), [(0.045, 1.5), (0.18, -3.0), (0.3, 1.2)])
def test_spin_transfer_above_the_threshold(beta: float, share: float):
    wall = BLOCH._replace(nonadiabaticity=beta)
    drift = share * closed_forms.drift_threshold_m_s(wall)
    velocity = _turning_velocity(wall, Load(drift_velocity_m_s=drift))
    assert velocity == pytest.approx(closed_forms.drift_velocity_m_s(wall, drift), rel=3e-2)
    assert velocity == pytest.approx(closed_forms.drift_velocity_m_s(wall, drift), rel=2e-3)


def test_adiabatic_torque_alone_has_a_threshold():
    threshold = closed_forms.drift_threshold_m_s(BLOCH)
    assert threshold == pytest.approx(GYROMAGNETIC_M_A_S * BLOCH.width_m * BLOCH.shape_field_a_m / 2, rel=1e-12)
    assert abs(_steady_velocity(BLOCH, Load(drift_velocity_m_s=0.98 * threshold), math.pi / 2)) < 1e-3 * threshold
    drift = 2 * threshold
    expected = math.sqrt(drift**2 - threshold**2) / (1 + BLOCH.damping**2)
    assert expected == pytest.approx(39.01, rel=1e-3)
    assert closed_forms.drift_velocity_m_s(BLOCH, drift) == pytest.approx(expected, rel=1e-12)
    assert _turning_velocity(BLOCH, Load(drift_velocity_m_s=drift)) == pytest.approx(expected, rel=3e-2)


@pytest.mark.parametrize("polarity", [1.0, -1.0])
@pytest.mark.parametrize("density_a_m2", [1e12, -1e12, 3e10])
def test_spin_hall_torque_with_dmi(density_a_m2: float, polarity: float):
    wall = CHIRAL._replace(polarity=polarity)
    field = W_COFEB.spin_hall_field_a_m(density_a_m2)
    velocity = _steady_velocity(wall, Load(spin_hall_field_a_m=field), 0.3)
    assert velocity == pytest.approx(closed_forms.spin_hall_velocity_m_s(wall, field), rel=1e-3)
    if density_a_m2 == -1e12:
        assert velocity == pytest.approx(41.618, rel=1e-3)


def test_spin_hall_velocity_saturates():
    saturation = closed_forms.spin_hall_saturation_m_s(CHIRAL)
    assert closed_forms.spin_hall_velocity_m_s(CHIRAL, 1e9) == pytest.approx(saturation, rel=1e-5)
    gamma = GYROMAGNETIC_M_A_S / VACUUM_PERMEABILITY_H_M
    expected = math.pi / 2 * gamma * W_COFEB.dmi_j_m2 / W_COFEB.saturation_magnetisation_a_m
    assert saturation == pytest.approx(expected, rel=1e-12)


# ---- the equations as a whole ---------------------------------------------------------------------------------------

EVERYTHING = BLOCH._replace(
    dmi_field_a_m=8e3,
    nonadiabaticity=0.15,
    breathing=-0.2,
    field_x_a_m=4e3,
    field_y_a_m=-3e3,
    field_z_a_m=1.2e3,
    pinning_period_m=30e-9,
    track_length_m=300e-9,
    end_stiffness_n_m=2e-3,
)
EVERY_LOAD = Load(spin_hall_field_a_m=-9e3, field_like_field_a_m=2e3, drift_velocity_m_s=11.0)
BARRIERS = np.array([1.0, 0.6, 1.3, 0.8, 1.1, 0.9, 1.0, 0.7, 1.2, 1.0]) * 2e-20


def _independent_rates(_: float, state: np.ndarray, polarity: float) -> tuple[float, float]:
    """Return the same equations, written from the energy: its derivatives by finite differences, torques added."""
    q, phi = state
    wall, load = EVERYTHING._replace(polarity=polarity), EVERY_LOAD
    a, g0, force = wall.damping, GYROMAGNETIC_M_A_S, wall.force_per_field_n_m_a
    width = wall.width_m / math.sqrt(1 + wall.breathing * math.sin(phi) ** 2)

    def energy(at_q: float, at_phi: float) -> float:
        # At the width of this moment, which does not change in the derivative by the angle.
        shape = math.cos(at_phi) ** 2 * wall.shape_field_a_m / 2
        dmi = polarity * wall.dmi_field_a_m * wall.width_m / width
        plane = (wall.field_x_a_m + dmi) * math.cos(at_phi) + polarity * wall.field_y_a_m * math.sin(at_phi)
        total = force * width * (shape - math.pi / 2 * plane) - polarity * force * wall.field_z_a_m * at_q
        cell = math.floor(at_q / wall.pinning_period_m)
        if 0 <= cell < len(BARRIERS):
            total += BARRIERS[cell] * math.sin(math.pi * at_q / wall.pinning_period_m) ** 2
        outside = min(at_q, 0.0) + max(at_q - wall.track_length_m, 0.0)
        return total + wall.end_stiffness_n_m / 2 * outside**2

    by_q = (energy(q + 1e-13, phi) - energy(q - 1e-13, phi)) / 2e-13
    by_phi = (energy(q, phi + 1e-5) - energy(q, phi - 1e-5)) / 2e-5
    big_a = g0 / (force * width) * by_phi
    big_a -= polarity * g0 * math.pi / 2 * load.field_like_field_a_m * math.cos(phi)
    big_a += load.drift_velocity_m_s / width
    big_b = -g0 / force * by_q + polarity * g0 * math.pi / 2 * load.spin_hall_field_a_m * math.cos(phi)
    big_b += wall.nonadiabaticity * load.drift_velocity_m_s / width
    return width * (big_a + a * big_b) / (1 + a**2), (big_b - a * big_a) / (1 + a**2)


@pytest.mark.parametrize("polarity", [1.0, -1.0])
def test_everything_at_once_agrees_with_an_independent_integration(polarity: float):
    times = np.linspace(0.0, 4e-9, 21)
    exact = integrate.solve_ivp(
        _independent_rates, (0, 4e-9), (95e-9, 0.4), "DOP853", times, rtol=1e-8, atol=1e-14, args=(polarity,)
    ).y
    wall = EVERYTHING._replace(polarity=polarity)
    q, phi = trajectory(times, wall, EVERY_LOAD, 5e-13, position_m=95e-9, angle_rad=0.4, barriers_j=BARRIERS)
    assert np.abs(q - exact[0]).max() < 1e-3 * np.ptp(exact[0])
    assert np.abs(phi - exact[1]).max() < 1e-3 * np.ptp(exact[1])


def test_half_a_turn_of_the_film_about_the_track_changes_nothing():
    turned = EVERYTHING._replace(
        polarity=-1.0,
        dmi_field_a_m=-EVERYTHING.dmi_field_a_m,
        field_y_a_m=-EVERYTHING.field_y_a_m,
        field_z_a_m=-EVERYTHING.field_z_a_m,
    )
    load = EVERY_LOAD._replace(
        spin_hall_field_a_m=-EVERY_LOAD.spin_hall_field_a_m, field_like_field_a_m=-EVERY_LOAD.field_like_field_a_m
    )
    times = np.linspace(0.0, 3e-9, 4)
    one = trajectory(times, EVERYTHING, EVERY_LOAD, STEP_S, position_m=95e-9, barriers_j=BARRIERS)
    other = trajectory(times, turned, load, STEP_S, position_m=95e-9, barriers_j=BARRIERS)
    np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize("what", ["position", "angle"])
def test_the_error_falls_by_four_when_the_step_is_halved(what: str):
    index = ("position", "angle").index(what)
    errors = [
        step_error(EVERYTHING, EVERY_LOAD, 2e-9, step_s, position_m=95e-9, angle_rad=0.4, barriers_j=BARRIERS)[index]
        for step_s in (2e-12, 1e-12, 5e-13)
    ]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize("breathing", [0.0, -0.2])
def test_energy_only_falls_without_drive_and_noise(breathing: float):
    wall = EVERYTHING._replace(breathing=breathing, field_x_a_m=0.0, field_y_a_m=0.0)
    times = np.linspace(0.0, 20e-9, 2001)
    q, phi = trajectory(times, wall, Load(), 1e-12, position_m=100e-9, angle_rad=1.9, barriers_j=BARRIERS)
    energy = energy_j(q, phi, wall, BARRIERS)
    fall = energy[0] - energy[-1]
    assert fall > KT_300
    assert np.diff(energy).max() < 1e-9 * fall
    rate_q, rate_phi = np.gradient(q, times), np.gradient(phi, times)
    width = wall.width_m / np.sqrt(1 + breathing * np.sin(phi) ** 2)
    scale = wall.force_per_field_n_m_a * width * wall.damping / GYROMAGNETIC_M_A_S
    lost = integrate.simpson(scale * ((rate_q / width) ** 2 + rate_phi**2), x=times)
    assert lost / fall == pytest.approx(1.0, rel=2e-3)


# ---- noise ----------------------------------------------------------------------------------------------------------


def _warm(wall: Wall, temperature_k: float) -> Load:
    return Load(noise_a2_s_m2=closed_forms.noise_strength_a2_s_m2(wall, temperature_k))


def _mean_is(values: np.ndarray, expected: float) -> bool:
    return bool(abs(values.mean() - expected) < 4 * values.std() / math.sqrt(len(values)))


def _variance_is(values: np.ndarray, expected: float) -> bool:
    return bool(abs(values.var(ddof=1) / expected - 1) < 4 * math.sqrt(2 / len(values)))


@pytest.mark.parametrize("duration_s", [0.4e-9, 3e-9])
def test_a_held_angle_diffuses_as_einstein_says_at_any_time(duration_s: float):
    # Cold enough that the angle stays where its energy is a parabola.
    walls, temperature_k = 6000, 2.0
    stiffness = BLOCH.force_per_field_n_m_a * BLOCH.width_m * BLOCH.shape_field_a_m
    random = np.random.default_rng(5)
    phi = math.pi / 2 + random.normal(0, math.sqrt(BOLTZMANN_J_K * temperature_k / stiffness), walls)
    q = np.zeros(walls)
    evolve(q, phi, BLOCH, _warm(BLOCH, temperature_k), duration_s, STEP_S, seed=11)
    assert _mean_is(q, 0.0)
    assert _variance_is(q, float(closed_forms.displacement_variance_m2(BLOCH, temperature_k, duration_s)))
    assert stats.kstest(q / q.std(), "norm").pvalue > 1e-4
    assert _variance_is(phi, BOLTZMANN_J_K * temperature_k / stiffness)


def test_the_variance_grows_with_twice_the_diffusion_constant_in_the_end():
    late = 1e-6
    slope = np.diff(closed_forms.displacement_variance_m2(BLOCH, 300.0, np.array([late, 2 * late])))[0] / late
    assert slope == pytest.approx(2 * closed_forms.diffusion_m2_s(BLOCH, 300.0), rel=1e-9)
    expected = BOLTZMANN_J_K * 300.0 / W_COFEB.friction_kg_s(100e-9)
    assert closed_forms.diffusion_m2_s(BLOCH, 300.0) == pytest.approx(expected, rel=1e-12)


def test_a_free_angle_diffuses_more_slowly_and_nothing_drifts():
    walls, duration_s = 6000, 1e-9
    q, phi = np.zeros(walls), np.zeros(walls)
    evolve(q, phi, FREE, _warm(FREE, 300.0), duration_s, STEP_S, seed=12)
    diffusion = closed_forms.free_diffusion_m2_s(FREE, 300.0)
    assert diffusion == pytest.approx(
        KT_300 * FREE.damping * FREE.width_m * GYROMAGNETIC_M_A_S / FREE.force_per_field_n_m_a / (1 + FREE.damping**2),
        rel=1e-12,
    )
    assert _mean_is(q, 0.0)
    assert _variance_is(q, 2 * diffusion * duration_s)
    # The angle is as warm: its diffusion is that of the position in units of the width.
    assert _mean_is(phi, 0.0)
    assert _variance_is(phi, 2 * diffusion / FREE.width_m**2 * duration_s)
    assert abs(np.corrcoef(q, phi)[0, 1]) < 4 / math.sqrt(walls)


def test_slips_of_the_angle_slow_diffusion_down_at_room_temperature():
    # A barrier of 5.8 k T: known from simulation only, 2.1e-7 against 2.67e-7 m^2/s for a held angle.
    walls = 1500
    q, phi = np.zeros(walls), np.full(walls, math.pi / 2)
    load = _warm(BLOCH, 300.0)
    draw = evolve(q, phi, BLOCH, load, 6e-9, 8e-12, seed=13)
    start = q.copy()
    evolve(q, phi, BLOCH, load, 14e-9, 8e-12, seed=13, first_draw=draw)
    tau = closed_forms.relaxation_time_s(BLOCH) / (1 + BLOCH.damping**2)
    diffusion = (q - start).var() / (2 * (14e-9 - tau))
    assert diffusion / 2.1e-7 == pytest.approx(1.0, rel=4 * math.sqrt(2 / walls) + 0.05)
    assert diffusion < 0.95 * closed_forms.diffusion_m2_s(BLOCH, 300.0)


def test_boltzmann_occupation_of_a_static_potential():
    # One well with hard flanks and a barrier in the middle; chi-square over cells of position and over cells of angle.
    wall = BLOCH._replace(
        damping=0.5,
        width_m=12e-9,
        dmi_field_a_m=4e3,
        pinning_period_m=10e-9,
        track_length_m=20e-9,
        end_stiffness_n_m=4e-4,
        field_z_a_m=1.5e3,
    )
    barriers = np.array([2.0, 1.2]) * KT_300
    walls = 4000
    random = np.random.default_rng(6)
    q, phi = random.uniform(0, 20e-9, walls), random.uniform(-math.pi, math.pi, walls)
    evolve(q, phi, wall, _warm(wall, 300.0), 8e-9, STEP_S, barriers_j=barriers, seed=14)
    fine_q, fine_phi = np.linspace(-20e-9, 40e-9, 6001), np.linspace(-math.pi, math.pi, 2001)
    _occupation_is(q, fine_q, np.exp(-energy_j(fine_q, 0.0, wall, barriers) / KT_300))
    _occupation_is(np.angle(np.exp(1j * phi)), fine_phi, np.exp(-energy_j(0.0, fine_phi, wall, barriers) / KT_300))


def _occupation_is(values: np.ndarray, grid: np.ndarray, density: np.ndarray, cells: int = 24) -> None:
    share = integrate.cumulative_simpson(density, x=grid, initial=0)
    edges = np.interp(np.arange(1, cells) / cells * share[-1], share, grid)
    counts = np.bincount(np.searchsorted(edges, values), minlength=cells)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_a_breathing_wall_takes_up_the_same_law():
    wall = BLOCH._replace(damping=0.5, breathing=3.0, dmi_field_a_m=0.0)
    walls = 8000
    q, phi = np.zeros(walls), np.random.default_rng(7).uniform(-math.pi, math.pi, walls)
    evolve(q, phi, wall, _warm(wall, 600.0), 4e-9, STEP_S, seed=15)
    grid = np.linspace(-math.pi, math.pi, 2001)
    density = np.exp(-energy_j(0.0, grid, wall, np.zeros(0)) / (2 * KT_300))
    _occupation_is(np.angle(np.exp(1j * phi)), grid, density)


def test_uniform_occupation_between_the_ends():
    wall = BLOCH._replace(damping=0.5, width_m=12e-9, track_length_m=20e-9, end_stiffness_n_m=4e-3)
    walls = 6000
    q, phi = np.full(walls, 5e-9), np.zeros(walls)
    evolve(q, phi, wall, _warm(wall, 300.0), 4e-9, 2e-12, seed=16)
    inside = q[(q > 0) & (q < 20e-9)]
    assert stats.kstest(inside / 20e-9, "uniform").pvalue > 1e-4
    # A spring's flanks hold as much as a length sqrt(pi k T / 2 k) each.
    flanks = 2 * math.sqrt(math.pi * KT_300 / (2 * wall.end_stiffness_n_m))
    expected = flanks / (20e-9 + flanks)
    outside = 1 - len(inside) / walls
    assert abs(outside - expected) < 4 * math.sqrt(expected * (1 - expected) / walls)


def test_the_steps_own_error_of_a_thermal_variance_is_known():
    stiffness = 1e-3
    twist = BLOCH.force_per_field_n_m_a * BLOCH.width_m * BLOCH.shape_field_a_m
    wall = BLOCH._replace(damping=0.5, track_length_m=0.0, end_stiffness_n_m=stiffness)
    errors = [thermal_variance_error(wall, step_s, stiffness, twist) for step_s in (8e-12, 4e-12, 2e-12)]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.3)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.15)
    # A step long enough that its error can be seen.
    step_s = 0.25 / fastest_rate_1_s(wall, Load())
    predicted = thermal_variance_error(wall, step_s, stiffness, twist)
    walls = 20_000
    q, phi = np.zeros(walls), np.full(walls, math.pi / 2)
    evolve(q, phi, wall, _warm(wall, 2.0), 2e-9, step_s, seed=17)
    assert _variance_is(q, (1 + predicted) * BOLTZMANN_J_K * 2.0 / stiffness)
    assert abs(predicted) < 0.02


def test_resting_angles():
    assert resting_angle_rad(BLOCH) == pytest.approx(math.pi / 2, abs=1e-9)
    assert resting_angle_rad(CHIRAL) == pytest.approx(0.0, abs=1e-9)
    assert resting_angle_rad(CHIRAL._replace(polarity=-1.0)) == pytest.approx(math.pi, abs=1e-9)
    tilted = BLOCH._replace(dmi_field_a_m=W_COFEB.dmi_field_a_m)
    expected = math.acos(math.pi / 2 * tilted.dmi_field_a_m / tilted.shape_field_a_m)
    assert resting_angle_rad(tilted) == pytest.approx(expected, abs=1e-9)


def test_pulses_of_one_event_and_events_draw_noise_of_their_own():
    # Idle pulses on a track that is all but smooth: what the bench does is free diffusion over all of their pauses.
    film = replace(W_COFEB, dmi_j_m2=0.0, spin_hall_angle=0.0)
    parameters = CollectiveParameters(
        track_length_m=1e-6,
        write_line=WriteLine(
            length_m=1e-6,
            width_m=100e-9,
            heavy_metal_thickness_m=1e-9,
            heavy_metal_resistivity_ohm_m=120e-8,
            magnet_thickness_m=1e-9,
            magnet_resistivity_ohm_m=160e-8,
        ),
        material=film,
        pulse_line=PulseLine(temperature_k=2.0),
        barrier_j=1e-27,
        settling_time_s=0.5e-9,
    )
    count, pulses = 4000, 4
    state = {one.name: np.full(count, one.initial, one.dtype) for one in CollectiveWalls.kept(parameters)}
    stiffness = angle_stiffness_j(math.pi / 2, BLOCH)
    state["angle"] += np.random.default_rng(8).normal(0, math.sqrt(BOLTZMANN_J_K * 2.0 / stiffness), count)
    walls = CollectiveWalls(count, 21, parameters, state)
    idle = Drive(push_amplitude_v=0.0, push_width_s=0.5e-9, pull_amplitude_v=0.0, pull_width_s=0.5e-9)
    moves = []
    for event in (1, 2):
        before = walls.position.astype(np.float64)
        walls.pulse_range(0, np.full(count, 2, np.uint8), np.full(count, pulses - 2, np.uint8), idle, event)
        moves.append((walls.position - before) * 1e-6)
    expected = float(closed_forms.displacement_variance_m2(BLOCH, 2.0, pulses * 1e-9))
    assert all(_mean_is(moved, 0.0) and _variance_is(moved, expected) for moved in moves)
    # The angle carries some motion over from one event to the next, by the same law for the whole and its parts.
    both = float(closed_forms.displacement_variance_m2(BLOCH, 2.0, 2 * pulses * 1e-9))
    assert _variance_is(moves[0] + moves[1], both)


# ---- hops at rest ---------------------------------------------------------------------------------------------------


def test_walls_leave_their_wells_at_langers_rate():
    # Damped so strongly that the rate needs no correction for slow exchange of energy; barriers of 5 k T, where
    # anharmonic wells cost some 10 %.
    wall = BLOCH._replace(
        damping=0.5, width_m=12e-9, pinning_period_m=20e-9, track_length_m=60e-9, end_stiffness_n_m=1e-3
    )
    twist = angle_stiffness_j(math.pi / 2, wall)
    barriers = np.full(3, 5 * KT_300)
    up, down = hop_rates(wall, barriers, Stillness(300.0, twist))
    walls, duration_s = 1500, 40e-9
    q, phi = np.full(walls, 20e-9), np.full(walls, math.pi / 2)
    load = _warm(wall, 300.0)
    draw = evolve(q, phi, wall, load, 1e-9, 4e-12, barriers_j=barriers, seed=18)
    started = np.abs(q - 20e-9) < 10e-9
    evolve(q, phi, wall, load, duration_s, 4e-12, barriers_j=barriers, seed=18, first_draw=draw)
    generator = np.diag(up[:-1], 1) + np.diag(down[1:], -1)
    generator -= np.diag(generator.sum(axis=1))
    stay = linalg.expm(generator * duration_s)[1, 1]
    stayed = np.abs(q[started] - 20e-9) < 10e-9
    error = 4 * math.sqrt(stay * (1 - stay) / started.sum())
    # Both as rates, which is what the 10 % are about.
    assert math.log(stayed.mean()) / math.log(stay) == pytest.approx(1.0, abs=0.12 + error / stay / -math.log(stay))


def test_long_rests_fill_the_wells_as_their_widths_and_the_stray_field_say():
    count = 20_000
    position = np.full(count, 0.5, np.float32)
    wall = BLOCH._replace(pinning_period_m=50e-9, track_length_m=200e-9, end_stiffness_n_m=0.02, field_z_a_m=100.0)
    pinning, stillness = Pinning(4, 8 * KT_300, 0.0), Stillness(300.0, angle_stiffness_j(math.pi / 2, wall))
    up, down = hop_rates(wall, np.full(4, 8 * KT_300), stillness)
    weights = np.concatenate([[1.0], np.cumprod(up[:-1] / down[1:])])
    work = wall.force_per_field_n_m_a * 100.0 * 50e-9 / KT_300
    assert weights[2] / weights[1] == pytest.approx(math.exp(work), rel=1e-6)
    # Half of an end's well is cut off by the stop.
    assert weights[1] / weights[0] == pytest.approx(2 * math.exp(work), rel=0.2)
    rest_walls(position, wall, pinning, stillness, 1e-3, 1, 19)
    counts = np.bincount(np.round(position * 4).astype(int), minlength=5)
    assert stats.chisquare(counts, weights / weights.sum() * count).pvalue > 1e-4


def test_the_shares_that_stay_fall_exponentially():
    count = 20_000
    wall = BLOCH._replace(pinning_period_m=50e-9, track_length_m=200e-9, end_stiffness_n_m=0.02)
    stillness = Stillness(300.0, angle_stiffness_j(math.pi / 2, wall))
    pinning = Pinning(4, 30 * KT_300, 0.0)
    up, down = hop_rates(wall, np.full(4, 30 * KT_300), stillness)
    generator = np.diag(up[:-1], 1) + np.diag(down[1:], -1)
    generator -= np.diag(generator.sum(axis=1))
    for share in (0.3, 2.0):
        duration_s = share / (up[2] + down[2])
        position = np.full(count, 0.5, np.float32)
        rest_walls(position, wall, pinning, stillness, duration_s, 1, 20)
        expected = linalg.expm(generator * duration_s)[2] * count
        assert stats.chisquare(np.bincount(np.round(position * 4).astype(int), minlength=5), expected).pvalue > 1e-4
