"""The hopping model's parameters, tables, kept state and bookkeeping: nothing here is left to chance."""

import dataclasses
import math

import numba
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy.linalg import expm

from sim_instruments.physics.constants import BOLTZMANN_J_K
from sim_instruments.physics.hopping import washboard
from sim_instruments.physics.hopping.disorder import landscape, weibull_shape
from sim_instruments.physics.hopping.escape import crossing, escape_tables
from sim_instruments.physics.hopping.parameters import HoppingParameters
from sim_instruments.physics.hopping.propagator import propagator
from sim_instruments.physics.hopping.walls import HoppingWalls
from sim_instruments.physics.pulse_shape import PulseLine
from sim_instruments.physics.walls import Drive

KT = BOLTZMANN_J_K * 300
TABLE = {
    "model": "hopping",
    "track_length_m": 1e-6,
    "site_spacing_m": 25e-9,
    "spacing_cv": 0.3,
    "barrier_j": 30 * KT,
    "barrier_cv": 0.1,
    "barrier_dtod": 0.05,
    "spacing_dtod": 0.05,
    "torque_dtod": 0.05,
    "damping_dtod": 0.05,
    "pulse_line": {"rise_time_s": 1e-9, "thermal_resistance_k_w": 1e5, "thermal_time_s": 5e-9},
    "write_line": {
        "length_m": 2e-6,
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
PARAMETERS = TypeAdapter(HoppingParameters).validate_python(TABLE)
VOLTAGE = 0.9 * PARAMETERS.critical_voltage_v
DRIVE = Drive(push_amplitude_v=VOLTAGE, push_width_s=8e-9, pull_amplitude_v=VOLTAGE, pull_width_s=6e-9)
COUNT = 3000
"""Three blocks of 1024, the last one not full."""


def _walls(parameters: HoppingParameters = PARAMETERS, *, seed: int = 5, count: int = COUNT) -> HoppingWalls:
    state = {kept.name: np.full(count, kept.initial, kept.dtype) for kept in HoppingWalls.kept(parameters)}
    return HoppingWalls(count, seed, parameters, state)


def _counts() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    return random.integers(0, 6, COUNT, dtype=np.uint8), random.integers(0, 6, COUNT, dtype=np.uint8)


def test_a_bench_table_becomes_parameters():
    assert PARAMETERS.write_line.width_m == 1e-7
    assert PARAMETERS.barrier_law == "lognormal"
    named = TypeAdapter(HoppingParameters).validate_python(TABLE | {"material": "w-cofeb-mgo"})
    assert named.material.spin_hall_angle < 0 < named.force_per_volt_n_v
    with pytest.raises(ValidationError, match="spacing_cv"):
        TypeAdapter(HoppingParameters).validate_python(TABLE | {"spacing_cv": 0.7})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"angle_cosine": 0.0}, "angle_cosine"),
        ({"track_length_m": 4e-8}, "site_spacing_m"),
        ({"material": TABLE["material"] | {"thickness_m": 1.2e-9}}, "write_line.magnet_thickness_m"),
        ({"material": TABLE["material"] | {"damping": 0.0}}, "material.damping"),
    ],
)
def test_parameters_that_cannot_work_are_refused_with_a_remedy(changes: dict[str, object], field: str):
    with pytest.raises(ValidationError, match=field):
        TypeAdapter(HoppingParameters).validate_python(TABLE | changes)


def test_force_is_that_of_the_spin_hall_and_the_nonadiabatic_field():
    # 1e12 A/m^2 in the heavy metal is 70.8 mT by the spin Hall effect, and u = 44.8 m/s at P = 0.72 in the magnet.
    volts = 1e12 * 2e-6 * 1.2e-6
    assert volts * PARAMETERS.force_per_volt_n_v == pytest.approx(2 * 9.3e5 * 1e-16 * 0.5 * math.pi * 70.8e-3, rel=1e-3)
    material = {k: v for k, v in TABLE["material"].items() if k != "spin_hall_angle"} | {
        "spin_polarisation": 0.72,
        "nonadiabaticity": 0.2,
    }
    transfer = TypeAdapter(HoppingParameters).validate_python(TABLE | {"material": material})
    wall_width_m = math.sqrt(15e-12 / 4e5)
    field_t = 4e-7 * math.pi * 0.2 * 44.8 * (1.2 / 1.6) / (2.2128e5 * wall_width_m)
    assert volts * transfer.force_per_volt_n_v == pytest.approx(2 * 9.3e5 * 1e-16 * field_t, rel=1e-3)


def test_at_the_critical_voltage_the_force_takes_a_barrier_away():
    force_n = PARAMETERS.force_per_volt_n_v * PARAMETERS.critical_voltage_v
    slope_n = math.pi * PARAMETERS.barrier_j / PARAMETERS.site_spacing_m
    assert force_n == pytest.approx(slope_n, rel=1e-12)


def test_friction_gives_the_mobility_and_the_diffusion_of_a_free_wall():
    # v = gamma0 Delta H / alpha below Walker's field, D = kT gamma0 Delta / (2 alpha mu0 M_s S).
    wall_width_m = math.sqrt(15e-12 / 4e5)
    field_a_m = 1000.0
    force_n = 2 * 4e-7 * math.pi * 9.3e5 * 1e-16 * field_a_m
    assert force_n / PARAMETERS.friction_kg_s == pytest.approx(2.2128e5 * wall_width_m * field_a_m / 0.09, rel=1e-6)
    assert KT / PARAMETERS.friction_kg_s == pytest.approx(2.67e-7, rel=2e-3)
    stray = dataclasses.replace(PARAMETERS, stray_field_a_m=field_a_m)
    assert stray.stray_force_n == pytest.approx(force_n, rel=1e-6)


def test_tables_agree_with_the_closed_forms_between_their_lines():
    random = np.random.default_rng(3)
    tables = escape_tables()
    for _ in range(150):
        barrier_kt, tilt = math.exp(random.uniform(math.log(0.02), math.log(100))), random.uniform(0, 3)
        share, irregularity, lead = crossing(barrier_kt, tilt * math.pi * barrier_kt, tables)
        assert share == pytest.approx(washboard.mobility(barrier_kt, tilt * math.pi * barrier_kt), rel=1e-3)
        assert 0 <= irregularity <= 1
        assert 0 <= lead <= 0.5


@pytest.mark.parametrize(("barrier_kt", "tilt"), [(3, 0.5), (10, 0.7), (10, 0.95), (20, 1.05), (30, 1.5), (8, 3)])
def test_waiting_times_have_the_variance_that_diffusion_asks_for(barrier_kt: float, tilt: float):
    work = tilt * math.pi * barrier_kt
    _, irregularity, _ = crossing(barrier_kt, work, escape_tables())
    m = math.tanh(work / 2)
    fano = 2 * washboard.diffusion(barrier_kt, work) / washboard.velocity(barrier_kt, work)
    assert fano * m - 1 + m * m == pytest.approx(irregularity * m * m, abs=5e-3)


def test_the_lead_without_noise_is_the_time_beyond_the_top():
    for tilt in (1.2, 2.0, 5.0):
        _, _, lead = crossing(400.0, tilt * math.pi * 400, escape_tables())
        assert lead == pytest.approx(1 - washboard.share_before_top(tilt), abs=2e-3)
    assert crossing(30.0, 0.0, escape_tables())[2] < 1e-3


@pytest.mark.parametrize("duration", [1e-3, 0.7, 40.0])
def test_the_propagator_is_the_exponential_of_the_rates(duration: float):
    random = np.random.default_rng(4)
    up, down = np.append(random.uniform(0.1, 3, 6), 0), np.append(0, random.uniform(0.1, 3, 6))
    generator = np.diag(up[:-1], 1) + np.diag(down[1:], -1) - np.diag(up + down)
    assert propagator(up, down, duration) == pytest.approx(expm(generator * duration), rel=1e-9, abs=1e-14)


def test_the_propagator_keeps_rare_hops_among_fast_ones():
    # Two sites that share a wall 1e9 times a second, and a third one once in 1e9 s from the second.
    shares = propagator(np.array([1e9, 1e-9, 0.0]), np.array([0.0, 1e9, 0.0]), 2e8)[0]
    assert shares[2] == pytest.approx(-math.expm1(-0.5e-9 * 2e8), rel=1e-6)


def test_neither_threads_nor_cuts_change_anything():
    push, pull = _counts()
    threads = numba.get_num_threads()
    whole = _walls()
    whole.pulse_range(0, push, pull, DRIVE, event=7)
    whole.rest(1e-3, event=8)
    try:
        numba.set_num_threads(1)
        cut = _walls()
        cut.pulse_range(0, push[:1500], pull[:1500], DRIVE, event=7)
        others = np.arange(COUNT - 1, 1499, -1, dtype=np.uint32)
        cut.pulse_selected(others, push[others].astype(np.int64), pull[others].astype(np.int64), DRIVE, event=7)
        cut.rest(1e-3, event=8)
    finally:
        numba.set_num_threads(threads)
    assert np.array_equal(whole.position, cut.position)
    assert len(np.unique(whole.position)) > 100


def test_events_and_seeds_draw_other_numbers():
    push, pull = _counts()
    places = []
    for seed, event in ((5, 1), (5, 2), (6, 1)):
        walls = _walls(seed=seed)
        walls.pulse_range(0, push, pull, DRIVE, event)
        places.append(walls.position.copy())
    assert not np.array_equal(places[0], places[1])
    assert not np.array_equal(places[0], places[2])


def test_sites_are_a_function_of_seed_and_device():
    few, many = landscape(50, 9, PARAMETERS), landscape(80, 9, PARAMETERS)
    assert np.array_equal(many.place[: few.first[-1]], few.place)
    assert np.array_equal(many.barrier_k[: few.first[-1]], few.barrier_k)
    assert not np.array_equal(landscape(50, 10, PARAMETERS).barrier_k, few.barrier_k)
    for device in range(50):
        place = few.place[few.first[device] : few.first[device + 1]]
        assert place[0] == 0
        assert place[-1] == 1
        assert (np.diff(place) > 0).all()


def test_a_sample_that_was_off_goes_on_where_it_was():
    push, pull = _counts()
    walls = _walls()
    walls.pulse_range(0, push, pull, DRIVE, event=1)
    state = {"position": walls.position.copy(), "site": walls._site.copy()}
    again = HoppingWalls(COUNT, 5, PARAMETERS, state)
    for one in (walls, again):
        one.pulse_range(0, pull, push, DRIVE, event=2)
    assert np.array_equal(walls.position, again.position)
    assert again.position is state["position"]


def test_walls_put_elsewhere_start_from_the_nearest_site():
    push, pull = _counts()
    walls = _walls()
    walls.pulse_range(0, push, pull, DRIVE, event=1)
    walls.position[:] = 0.8031
    still = np.zeros(COUNT, np.uint8)
    walls.pulse_range(0, still, still, DRIVE, event=2)
    assert (walls.position == np.float32(0.8031)).all()
    idle = Drive(push_amplitude_v=0.0, push_width_s=1e-15, pull_amplitude_v=0.0, pull_width_s=0.0)
    walls.pulse_range(0, still + 1, still, idle, event=3)
    ground = landscape(COUNT, 5, PARAMETERS)
    for device in range(0, COUNT, 50):
        place = ground.place[ground.first[device] : ground.first[device + 1]]
        assert walls.position[device] == place[np.argmin(np.abs(place - np.float32(0.8031)))]


def test_pushes_go_up_and_pulls_down_as_far_as_the_end_stops():
    # Of two sites very near each other the steep barrier between them would hold against any drive.
    walls = _walls(dataclasses.replace(PARAMETERS, spacing_cv=0.0))
    count = np.full(COUNT, 30, np.uint8)
    none = np.zeros(COUNT, np.uint8)
    volts = 2 * PARAMETERS.critical_voltage_v
    strong = Drive(push_amplitude_v=volts, push_width_s=8e-9, pull_amplitude_v=volts, pull_width_s=8e-9)
    before = walls.position.mean()
    walls.pulse_range(0, none + 1, none, DRIVE, event=1)
    assert walls.position.mean() > before
    walls.pulse_range(0, count, none, strong, event=2)
    assert (walls.position == 1).all()
    walls.pulse_range(0, none, count, strong, event=3)
    assert (walls.position == 0).all()


def test_what_an_event_delivered_is_told():
    push, pull = _counts()
    plain = dataclasses.replace(PARAMETERS, pulse_line=PulseLine())
    moved = _walls(plain).pulse_range(0, push, pull, DRIVE, event=1)
    time_s = push * 8e-9 + pull * 6e-9
    blocks = [time_s[:1024].max(), time_s[1024:2048].max(), time_s[2048:].max()]
    assert (moved.push_pulses, moved.pull_pulses) == (push.sum(), pull.sum())
    assert moved.busy_s == pytest.approx(sum(blocks))
    tail = _walls(plain).pulse_range(1500, push[1500:2500], pull[1500:2500], DRIVE, event=1)
    assert tail.busy_s == pytest.approx(time_s[1500:2048].max() + time_s[2048:2500].max())
    few = np.array([2999, 4], np.uint32)
    selected = _walls(plain).pulse_selected(few, np.array([3, 1]), np.array([0, 5]), DRIVE, event=1)
    assert (selected.push_pulses, selected.pull_pulses) == (4, 5)
    assert selected.busy_s == pytest.approx(8e-9 + 5 * 6e-9)
    three = few[:1], np.array([3]), np.array([0])
    edged = dataclasses.replace(PARAMETERS, pulse_line=PulseLine(rise_time_s=1e-9))
    assert _walls(edged).pulse_selected(*three, DRIVE, event=1).busy_s == pytest.approx(3 * 9e-9)
    spaced = dataclasses.replace(PARAMETERS, pulse_period_s=1e-7)
    assert _walls(spaced).pulse_selected(*three, DRIVE, event=1).busy_s == pytest.approx(3e-7)


def test_kept_arrays_are_position_and_site():
    assert [(kept.name, kept.dtype) for kept in HoppingWalls.kept(PARAMETERS)] == [
        ("position", np.float32),
        ("site", np.int32),
    ]


def test_weibull_shape_gives_the_spread_asked_for():
    assert weibull_shape(1.0) == pytest.approx(1.0)
    shape = weibull_shape(0.25)
    first, second = math.gamma(1 + 1 / shape), math.gamma(1 + 2 / shape)
    assert math.sqrt(second / first**2 - 1) == pytest.approx(0.25, rel=1e-9)
