"""Position and angle of a wall agree with cmtj, an independent package, where its equations are the same.

The same equations: fields, spin-transfer torque with both parts, spin Hall torque, DMI, shape field, a wall of constant
width. Agreement within 1 %; what is left is that cmtj takes 2.2088e5 m/(A s) for mu0 |gamma|, 0.18 % less than here.

Another sign: cmtj counts the electron's charge (and magneton) as negative, so that its spin Hall angle is minus the one
here, while its spin-transfer torque has the same sign. Here e is the elementary charge, positive in both. For a
positive DMI and the spin Hall angle of tungsten, -0.2, the two torques are then opposed here and add up there.

Where cmtj 1.15 differs, each case with the difference that follows from theory:

* its option "perpendicular" takes 2 K_u / (mu0 M_s) for H_K, the anisotropy of the film and not the shape field of the
  wall: the Walker field rises with it, and a wall that turns in truth runs steadily there. "inplane" takes
  2 K_p / (mu0 M_s) and is what the comparison uses, with K_p chosen to give the shape field.
* its pinning V0 sin^2(pi q / p) is differentiated without the 1 / p: its V0 is ours over p.
* it multiplies pinning by Q, so that for Q = -1 its wells are hills.
* its "static" relaxation of the width is reported and never enters the motion.

Older versions divided by 1 + a^2 twice. This one does it once, which a strongly damped wall above the Walker field
shows. Random motion is not compared: cmtj has no thermal field for walls.
"""

import math
from dataclasses import dataclass, replace

import cmtj.models.domain_dynamics as peer
import numpy as np
import pytest
from cmtj.utils import VectorObj

from sim_instruments.physics.collective import closed_forms
from sim_instruments.physics.collective.ensemble import trajectory
from sim_instruments.physics.collective.terms import Load, Wall
from sim_instruments.physics.constants import GYROMAGNETIC_M_A_S, VACUUM_PERMEABILITY_H_M
from sim_instruments.physics.material import Material

FILM = Material(
    saturation_magnetisation_a_m=0.93e6,
    exchange_stiffness_j_m=15e-12,
    effective_anisotropy_j_m3=0.40e6,
    damping=0.09,
    thickness_m=1e-9,
    dmi_j_m2=0.0,
    spin_hall_angle=0.0,
    spin_polarisation=0.0,
)
TRACK_WIDTH_M = 100e-9
SHAPE_K_P = VACUUM_PERMEABILITY_H_M * FILM.saturation_magnetisation_a_m * FILM.shape_field_a_m / 2


@dataclass(frozen=True, kw_only=True)
class Case:
    """One experiment on one wall."""

    film: Material = FILM
    field_a_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    density_a_m2: float = 0.0
    angle_rad: float = math.pi / 2
    position_m: float = 0.0
    duration_s: float = 5e-9
    polarity: int = 1


def _wall(case: Case) -> Wall:
    film, (x, y, z) = case.film, case.field_a_m
    return Wall(
        damping=film.damping,
        width_m=film.wall_width_m,
        shape_field_a_m=film.shape_field_a_m,
        dmi_field_a_m=film.dmi_field_a_m,
        force_per_field_n_m_a=film.force_per_field_n_m_a(TRACK_WIDTH_M),
        nonadiabaticity=film.nonadiabaticity,
        polarity=float(case.polarity),
        field_x_a_m=x,
        field_y_a_m=y,
        field_z_a_m=z,
    )


def _ours(case: Case, *, period_m: float = 1.0, barrier_j: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    times = np.linspace(0.0, case.duration_s, 401)
    load = Load(
        spin_hall_field_a_m=case.film.spin_hall_field_a_m(case.density_a_m2),
        drift_velocity_m_s=case.film.spin_drift_velocity_m_s(case.density_a_m2),
    )
    wall = _wall(case)._replace(pinning_period_m=period_m)
    barriers = np.full(20, barrier_j) if barrier_j else np.zeros(0)
    q, phi = trajectory(
        times, wall, load, 1e-12, position_m=case.position_m, angle_rad=case.angle_rad, barriers_j=barriers
    )
    return times, q, phi


def _theirs(
    case: Case, *, moving_field: str = "inplane", pinning_m: float = 1.0, v0_pin: float = 0.0, relax: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    film = case.film
    layer = peer.DomainWallDynamics(
        H=VectorObj.from_cartesian(*case.field_a_m),
        alpha=film.damping,
        Ms=film.saturation_magnetisation_a_m,
        thickness=film.thickness_m,
        SHE_angle=-film.spin_hall_angle,
        D=film.dmi_j_m2,
        Ku=film.effective_anisotropy_j_m3,
        Kp=SHAPE_K_P,
        A=film.exchange_stiffness_j_m,
        beta=film.nonadiabaticity,
        p=film.spin_polarisation,
        V0_pin=v0_pin,
        pinning=pinning_m,
        Lx=1e-6,
        Ly=TRACK_WIDTH_M,
        Lz=film.thickness_m,
        Q=case.polarity,
        moving_field=moving_field,
        relax_dw=relax,
    )
    layer.set_current_function(lambda t: case.density_a_m2)
    result = peer.MultilayerWallDynamics([layer]).run(
        sim_time=case.duration_s, starting_conditions=[case.position_m, case.angle_rad, layer.dw0], max_step=1e-11
    )
    return np.array(result["t"]), np.array(result["x_0"]), np.array(result["phi_0"])


def _displacement(path: tuple[np.ndarray, np.ndarray, np.ndarray]) -> float:
    return float(path[1][-1] - path[1][0])


WALKER_A_M = FILM.damping * FILM.shape_field_a_m / 2
TORQUES = replace(FILM, spin_polarisation=0.72, nonadiabaticity=0.15)
CHIRAL = replace(FILM, spin_hall_angle=-0.2, dmi_j_m2=0.3e-3)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(Case(field_a_m=(0, 0, 0.6 * WALKER_A_M)), id="field below Walker"),
        pytest.param(Case(field_a_m=(0, 0, -0.6 * WALKER_A_M), polarity=-1), id="the other polarity"),
        pytest.param(Case(film=TORQUES, density_a_m2=0.4e12), id="spin transfer"),
        pytest.param(Case(film=CHIRAL, density_a_m2=0.6e12, angle_rad=0.3), id="spin Hall torque and DMI"),
        pytest.param(
            Case(film=CHIRAL, density_a_m2=0.6e12, angle_rad=0.3, field_a_m=(8e3, -5e3, 1e3)), id="all fields"
        ),
    ],
)
def test_paths_agree_within_one_per_cent(case: Case):
    times, q, phi = _ours(case)
    their_times, their_q, their_phi = _theirs(case)
    span = np.ptp(q)
    assert span > 5e-9
    assert np.abs(np.interp(times, their_times, their_q) - q)[1:].max() < 0.01 * span
    # The angle settles; its deviation is measured against a whole radian or its own path.
    assert np.abs(np.interp(times, their_times, their_phi) - phi)[1:].max() < 0.01 * max(1.0, np.ptp(phi))


@pytest.mark.parametrize("damping", [0.09, 0.5])
def test_turning_walls_agree_and_divide_by_one_plus_damping_squared_once(damping: float):
    film = replace(FILM, damping=damping)
    field = 2.5 * damping * film.shape_field_a_m / 2
    case = Case(film=film, field_a_m=(0, 0, field), duration_s=20e-9 if damping < 0.1 else 6e-9)
    velocities = [_mean_velocity(path) for path in (_ours(case), _theirs(case))]
    assert velocities[0] == pytest.approx(velocities[1], rel=0.01)
    wall = _wall(case)
    once = float(closed_forms.field_velocity_m_s(wall, field))
    assert velocities[1] == pytest.approx(once, rel=0.01)
    if damping == 0.5:
        assert abs(velocities[1] / (once / (1 + damping**2)) - 1) > 0.2


def _mean_velocity(path: tuple[np.ndarray, np.ndarray, np.ndarray]) -> float:
    """Return the velocity over whole half-turns."""
    times, q, phi = path
    turned = np.abs(phi - phi[0])
    marks = math.pi * np.array([1.0, math.floor(turned[-1] / math.pi)])
    assert marks[1] >= 2 * math.pi
    ends = np.interp(marks, turned, times)
    return float(np.diff(np.interp(ends, times, q))[0] / np.diff(ends)[0])


def test_the_perpendicular_option_moves_the_walker_field():
    # Between the Walker field of the shape and the one of 2 K_u / (mu0 M_s), 20 times as high.
    case = Case(field_a_m=(0, 0, 3 * WALKER_A_M), duration_s=3e-9)
    theirs = _theirs(case, moving_field="perpendicular")
    anisotropy_a_m = 2 * FILM.effective_anisotropy_j_m3 / (VACUUM_PERMEABILITY_H_M * FILM.saturation_magnetisation_a_m)
    assert FILM.damping * anisotropy_a_m / 2 > 3 * WALKER_A_M
    late = theirs[0] > 2e-9
    velocity = np.polyfit(theirs[0][late], theirs[1][late], 1)[0]
    steady = GYROMAGNETIC_M_A_S * FILM.wall_width_m * 3 * WALKER_A_M / FILM.damping
    assert velocity == pytest.approx(steady, rel=0.01)
    assert float(closed_forms.field_velocity_m_s(_wall(case), 3 * WALKER_A_M)) < 0.1 * steady
    # Given that field as its shape field, the wall here does the same.
    wall = _wall(case)._replace(shape_field_a_m=anisotropy_a_m)
    assert float(closed_forms.field_velocity_m_s(wall, 3 * WALKER_A_M)) == pytest.approx(velocity, rel=0.01)


def test_pinning_agrees_once_the_period_is_divided_out():
    period, barrier = 40e-9, 4e-20
    case = Case(position_m=55e-9, duration_s=12e-9)
    ours, theirs = (
        _ours(case, period_m=period, barrier_j=barrier),
        _theirs(case, pinning_m=period, v0_pin=barrier / period),
    )
    assert _displacement(ours) == pytest.approx(-15e-9, rel=0.1)
    assert np.abs(np.interp(ours[0], theirs[0], theirs[1]) - ours[1])[1:].max() < 0.01 * np.ptp(ours[1])
    # With the same V0 its force is that of a barrier 1 / p times as high in its numbers: here nothing moves.
    untouched = _theirs(case, pinning_m=period, v0_pin=barrier)
    assert abs(_displacement(untouched)) < 1e-3 * abs(_displacement(ours))


def test_pinning_holds_walls_of_either_polarity_here_and_repels_one_of_them_there():
    period, barrier = 40e-9, 4e-20
    case = Case(position_m=45e-9, duration_s=6e-9, polarity=-1)
    ours = _ours(case, period_m=period, barrier_j=barrier)
    theirs = _theirs(case, pinning_m=period, v0_pin=barrier / period)
    assert ours[1][-1] == pytest.approx(40e-9, abs=2e-9)
    assert theirs[1][-1] == pytest.approx(60e-9, abs=2e-9)  # the top of the barrier


def test_the_static_relaxation_of_the_width_does_not_enter_the_motion():
    case = Case(field_a_m=(0, 0, 0.6 * WALKER_A_M), duration_s=2e-9)
    assert _theirs(case, relax=1)[1].tolist() == _theirs(case, relax=0)[1].tolist()
