"""The bench's walls of the collective model: pulses, ends, pinning, what they refuse."""

import math
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from sim_instruments.physics.collective.ensemble import evolve
from sim_instruments.physics.collective.kernel import barriers_of
from sim_instruments.physics.collective.parameters import CollectiveParameters
from sim_instruments.physics.collective.rest import hop_rates
from sim_instruments.physics.collective.terms import Load
from sim_instruments.physics.collective.time_step import check_time_step, fastest_rate_1_s
from sim_instruments.physics.collective.walls import CollectiveWalls
from sim_instruments.physics.presets import material
from sim_instruments.physics.pulse_shape import PulseLine
from sim_instruments.physics.walls import Drive
from sim_instruments.physics.write_line import WriteLine

LINE = WriteLine(
    length_m=1e-6,
    width_m=100e-9,
    heavy_metal_thickness_m=1e-9,
    heavy_metal_resistivity_ohm_m=120e-8,
    magnet_thickness_m=1e-9,
    magnet_resistivity_ohm_m=160e-8,
)
# Without spin-transfer torque, which in this film works against the spin Hall torque.
FILM = replace(material("w-cofeb-mgo"), spin_polarisation=0.0)
DRIVE = Drive(push_amplitude_v=1.0, push_width_s=3e-9, pull_amplitude_v=1.0, pull_width_s=3e-9)
COUNT = 40


def _parameters(**changes: Any) -> CollectiveParameters:
    return CollectiveParameters(**({"track_length_m": 1e-6, "write_line": LINE, "material": FILM} | changes))


def _walls(position: float = 0.5, count: int = COUNT, seed: int = 3, **changes: Any) -> CollectiveWalls:
    parameters = _parameters(**changes)
    state = {one.name: np.full(count, one.initial, one.dtype) for one in CollectiveWalls.kept(parameters)}
    state["position"][:] = position
    return CollectiveWalls(count, seed, parameters, state)


def _counts(number: int, count: int = COUNT) -> np.ndarray:
    return np.full(count, number, np.uint8)


@pytest.mark.parametrize("polarity", [1, -1])
@pytest.mark.parametrize(("spin_hall_angle", "dmi_j_m2"), [(-0.2, 0.14e-3), (0.2, 0.14e-3), (0.2, -0.14e-3)])
def test_pushes_push_and_pulls_pull_whatever_the_signs(polarity: int, spin_hall_angle: float, dmi_j_m2: float):
    film = replace(FILM, spin_hall_angle=spin_hall_angle, dmi_j_m2=dmi_j_m2)
    walls = _walls(count=1, material=film, polarity=polarity, thermal_noise=False)
    walls.pulse_range(0, _counts(1, 1), _counts(0, 1), DRIVE, event=1)
    assert walls.position[0] > 0.53
    walls.pulse_range(0, _counts(0, 1), _counts(1, 1), DRIVE, event=2)
    assert walls.position[0] == pytest.approx(0.5, abs=1e-3)


def test_spin_transfer_alone_pushes_too():
    film = replace(FILM, spin_hall_angle=0.0, dmi_j_m2=0.0, spin_polarisation=0.72, nonadiabaticity=0.3)
    walls = _walls(count=1, material=film, thermal_noise=False, barrier_j=1e-21)
    drive = replace(DRIVE, push_amplitude_v=2.0)
    walls.pulse_range(0, _counts(1, 1), _counts(0, 1), drive, event=1)
    assert walls.position[0] > 0.53


def test_a_wall_without_temperature_repeats_itself():
    one, other = _walls(count=2, thermal_noise=False, seed=1), _walls(count=2, thermal_noise=False, seed=2)
    one.pulse_range(0, _counts(2, 2), _counts(1, 2), DRIVE, event=1)
    other.pulse_range(0, _counts(2, 2), _counts(1, 2), DRIVE, event=7)
    assert one.position.tobytes() == other.position.tobytes()
    assert one.position[0] == one.position[1] > 0.53


def test_warm_walls_stay_in_their_wells_between_pulses():
    walls = _walls(count=200)
    idle = replace(DRIVE, push_amplitude_v=0.0)
    for event in range(3):
        walls.pulse_range(0, _counts(1, 200), _counts(0, 200), idle, event)
    walls.rest(3e7, event=9)
    assert (np.round(walls.position * 20) == 10).all()
    spread = math.sqrt(1.380649e-23 * 300 / (2 * 2e-19 * (math.pi / 50e-9) ** 2)) / 1e-6
    assert walls.position.std() == pytest.approx(spread, rel=0.3)


def test_pulses_move_walls_by_whole_sites():
    walls = _walls(count=100)
    walls.pulse_range(0, _counts(1, 100), _counts(0, 100), DRIVE, event=1)
    sites = walls.position * 20
    assert np.abs(sites - np.round(sites)).max() < 0.3
    assert np.round(sites).mean() > 10.5


def test_results_depend_neither_on_cuts_nor_on_order():
    push = np.arange(COUNT, dtype=np.uint8) % 3
    pull = np.arange(COUNT, dtype=np.uint8) % 2
    whole, cut, picked = (_walls(torque_dtod=0.1, barrier_cv=0.2) for _ in range(3))
    whole.pulse_range(0, push, pull, DRIVE, event=5)
    cut.pulse_range(17, push[17:], pull[17:], DRIVE, event=5)
    cut.pulse_range(0, push[:17], pull[:17], DRIVE, event=5)
    order = np.random.default_rng(1).permutation(COUNT).astype(np.uint32)
    picked.pulse_selected(order, push[order].astype(np.int64), pull[order].astype(np.int64), DRIVE, event=5)
    for walls in (cut, picked):
        assert walls.position.tobytes() == whole.position.tobytes()
        assert walls.angle.tobytes() == whole.angle.tobytes()


def test_results_do_not_depend_on_the_number_of_threads():
    results = []
    before = numba.get_num_threads()
    try:
        for threads in (1, before):
            numba.set_num_threads(threads)
            walls = _walls(barrier_j=3e-20)
            walls.pulse_range(0, _counts(1), _counts(1), DRIVE, event=5)
            walls.rest(1e-6, event=6)
            results.append((walls.position.tobytes(), walls.angle.tobytes()))
    finally:
        numba.set_num_threads(before)
    assert results[0] == results[1]


def test_pulses_of_one_event_alternate_a_push_first():
    together, apart = _walls(count=1, thermal_noise=False), _walls(count=1, thermal_noise=False)
    drive = replace(DRIVE, pull_width_s=1.5e-9)
    together.pulse_range(0, _counts(2, 1), _counts(2, 1), drive, event=1)
    for event in range(4):
        apart.pulse_range(0, _counts(1 - event % 2, 1), _counts(event % 2, 1), drive, event)
    assert together.position[0] == pytest.approx(apart.position[0], abs=1e-5)
    wrong = _walls(count=1, position=0.98, thermal_noise=False)
    wrong.pulse_range(0, _counts(1, 1), _counts(1, 1), DRIVE, event=1)
    assert wrong.position[0] < 0.98  # pushed to the end first, then pulled back


def test_walls_stop_at_both_ends_and_come_back():
    walls = _walls(position=0.9)
    walls.pulse_range(0, _counts(4), _counts(0), DRIVE, event=1)
    assert walls.position.max() <= 1.0
    assert walls.position.min() > 0.99
    assert np.isfinite(walls.angle).all()
    walls.pulse_range(0, _counts(0), _counts(1), DRIVE, event=2)
    assert walls.position.max() < 0.99
    walls.pulse_range(0, _counts(0), _counts(30), DRIVE, event=3)
    assert walls.position.min() >= 0.0
    assert walls.position.max() < 0.01


def test_what_an_event_delivered():
    walls = _walls(count=1030, thermal_noise=False, time_step_s=2e-12, settling_time_s=0.0)
    push, pull = np.zeros(20, np.uint8), np.zeros(20, np.uint8)
    push[0], pull[0], push[19] = 2, 1, 1
    drive = replace(DRIVE, push_width_s=4e-10, pull_width_s=2e-10)
    moved = walls.pulse_range(1010, push, pull, drive, event=1)
    assert (moved.push_pulses, moved.pull_pulses) == (3, 1)
    assert moved.busy_s == pytest.approx(10e-10 + 4e-10)  # blocks of 1024 one after the other
    moved = walls.pulse_selected(np.array([3, 5], np.uint32), np.array([1, 0]), np.array([0, 2]), drive, event=2)
    assert (moved.push_pulses, moved.pull_pulses, moved.busy_s) == (1, 2, pytest.approx(4e-10))
    nothing = np.zeros(0, np.uint8)
    assert walls.pulse_range(0, nothing, nothing, drive, event=3).busy_s == 0.0


def test_a_wall_put_elsewhere_goes_on_from_there():
    walls = _walls(count=3, thermal_noise=False)
    walls.position[1] = 0.2
    walls.pulse_range(0, np.array([0, 1, 1], np.uint8), _counts(0, 3), DRIVE, event=1)
    assert walls.position[0] == 0.5
    assert walls.position[1] - 0.2 == pytest.approx(float(walls.position[2]) - 0.5, abs=1e-5)


def test_the_angle_is_kept_within_a_turn():
    walls = _walls(count=5)
    walls.angle[:] = [-9.0, -3.0, 0.0, 3.0, 9.0]
    walls.pulse_range(0, _counts(1, 5), _counts(0, 5), replace(DRIVE, push_amplitude_v=0.0), event=1)
    assert np.abs(walls.angle).max() <= np.float32(math.pi)


def test_a_schedule_takes_edges_heat_and_the_pause_into_account():
    line = PulseLine(rise_time_s=0.5e-9, thermal_resistance_k_w=2e6, thermal_time_s=1e-9)
    walls = _walls(pulse_line=line, settling_time_s=8e-9)
    schedule = walls.schedule(1.0, 3e-9)
    durations = schedule.steps * schedule.step_s
    assert durations.sum() == pytest.approx(3e-9 + 0.5e-9 + 8e-9)
    assert schedule.step_s.max() <= 2e-12 * (1 + 1e-9)
    area = (durations * schedule.loads[:, 0]).sum()
    assert area == pytest.approx(3e-9 * walls.parameters.load(1.0, 300.0).spin_hall_field_a_m)
    assert schedule.loads[:, 3].max() > 1.1 * schedule.loads[0, 3] > 1.1 * schedule.loads[-1, 3] > 0
    assert (walls.schedule(-1.0, 3e-9).loads[:, 0] == -schedule.loads[:, 0]).all()


def test_strong_currents_are_integrated_in_shorter_steps():
    walls = _walls()
    assert walls.schedule(1.0, 3e-9).step_s[0] / 2e-12 == pytest.approx(1.0)
    assert walls.schedule(20.0, 3e-9).step_s[0] < 1e-12
    load = walls.parameters.load(20.0, 300.0)
    highest = walls.parameters.highest_barrier_j
    assert walls.parameters.step_s(load) * fastest_rate_1_s(walls.parameters.wall, load, highest) <= 0.25 * (1 + 1e-9)


def test_barriers_are_frozen_and_have_the_stated_law():
    walls = _walls(barrier_cv=0.3)
    pinning = walls._pinning
    barriers = np.concatenate([barriers_of(device, pinning, 3) for device in range(2000)])
    assert barriers.mean() / 2e-19 == pytest.approx(1.0, rel=4 * 0.3 / math.sqrt(len(barriers)))
    assert barriers.std() / barriers.mean() == pytest.approx(0.3, rel=0.03)
    assert np.array_equal(barriers_of(7, pinning, 3), barriers_of(7, pinning, 3))
    assert not np.array_equal(barriers_of(7, pinning, 3), barriers_of(8, pinning, 3))
    assert not np.array_equal(barriers_of(7, pinning, 3), barriers_of(7, pinning, 4))


def test_devices_differ_in_torque_as_stated():
    walls = _walls(count=300, torque_dtod=0.1, thermal_noise=False, barrier_j=1e-23)
    # Pinning is negligible and the pulse short and weak: displacement goes with the torque.
    drive = replace(DRIVE, push_amplitude_v=0.02, push_width_s=1e-9)
    walls.pulse_range(0, _counts(1, 300), _counts(0, 300), drive, event=1)
    moved = walls.position.astype(np.float64) - 0.5
    assert moved.std() / moved.mean() == pytest.approx(0.1, rel=4 / math.sqrt(600))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"site_spacing_m": 30e-9}, "whole number of periods"),
        ({"write_line": replace(LINE, magnet_thickness_m=2e-9)}, "material.thickness_m"),
        ({"time_step_s": 1e-10}, "must not exceed"),
        ({"end_stiffness_n_m": 20.0}, "must not exceed"),
        ({"material": replace(FILM, spin_hall_angle=0.0)}, "no current moves this wall"),
        ({"material": replace(FILM, dmi_j_m2=0.0)}, "no current moves this wall"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        _parameters(**changes)


def test_a_step_must_fit_the_wall():
    wall = _parameters().wall
    with pytest.raises(ValueError, match="above 0"):
        check_time_step(0.0, wall, Load())
    with pytest.raises(ValueError, match="must not exceed"):
        evolve(np.zeros(1), np.zeros(1), wall, Load(spin_hall_field_a_m=1e7), 1e-9, 2e-12)


def test_a_table_of_a_bench_file_makes_parameters():
    adapter = TypeAdapter(CollectiveParameters)
    table = {
        "model": "collective",
        "track_length_m": 1e-6,
        "material": {"preset": "w-cofeb-mgo", "spin_polarisation": 0.0},
        "write_line": {name: getattr(LINE, name) for name in LINE.__slots__},
        "pulse_line": {"rise_time_s": 1e-10},
        "applied_field_a_m": [0, 0, 100],
        "stray_field_a_m": 200,
        "polarity": -1,
    }
    parameters = adapter.validate_python(table)
    assert parameters.material == FILM
    # A stray field that pushes is negative along z for a wall from down to up.
    assert parameters.wall.field_z_a_m == -100.0
    for key, value in (("breathing", -1.0), ("barrier_j", 0.0), ("polarity", 0), ("torque_dtod", 0.3)):
        with pytest.raises(ValidationError):
            adapter.validate_python(table | {key: value})


def test_a_positive_stray_field_helps_pushes():
    forward, none, backward = (
        _walls(count=1, stray_field_a_m=field, thermal_noise=False, barrier_j=1e-22) for field in (300.0, 0.0, -300.0)
    )
    for walls in (forward, none, backward):
        walls.pulse_range(0, _counts(1, 1), _counts(0, 1), replace(DRIVE, push_width_s=1e-9), event=1)
    assert forward.position[0] > none.position[0] > backward.position[0]


def test_a_cold_wall_does_not_move_at_rest():
    walls = _walls(position=0.487, thermal_noise=False, barrier_j=1e-21)
    walls.rest(1e9, event=1)
    assert (walls.position == np.float32(0.487)).all()


def test_hops_forth_and_back_are_in_the_ratio_of_the_work():
    walls = _walls(barrier_j=6e-20, stray_field_a_m=200.0)
    up, down = hop_rates(walls._wall, np.full(20, 6e-20), walls._stillness)
    work = walls._wall.force_per_field_n_m_a * 200.0 * 50e-9
    assert up[5] / down[6] == pytest.approx(math.exp(work / (1.380649e-23 * 300)), rel=1e-6)
    assert up[5] / down[5] == pytest.approx(up[5] / down[6])
    assert up[20] == down[0] == 0.0
