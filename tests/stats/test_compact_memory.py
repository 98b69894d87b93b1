"""Walls remember: a staircase has its full variance, a way there and back the share `memory_ratio` of it.

Seeds are fixed. Bounds are 4 standard errors of a variance: with fresh seeds one of these tests would fail in about 1
of 1000 runs.
"""

import numba
import numpy as np
import pytest

from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.compact.walls import CompactWalls
from sim_instruments.physics.walls import Drive

DEVICES = 60_000
STEP = 1e-3
"""Mean of a push and of a pull, fraction of the track."""
VARIANCE = STEP * 4e-4
"""Of one pulse of a staircase."""
DRIVE = Drive(push_amplitude_v=1.5, push_width_s=1e-7, pull_amplitude_v=1.5, pull_width_s=1e-7)


def _walls(*, ratio: float = 0.6, length_m: float = 1e-9, **changes: object) -> CompactWalls:
    values: dict = {
        "track_length_m": 1e-5,
        "reference_amplitude_v": 1.5,
        "threshold_v": 0.5,
        "push_velocity_m_s": 0.1,
        "pull_velocity_m_s": 0.1,
        "push_fano_length_m": 4e-9,
        "pull_fano_length_m": 4e-9,
        "velocity_dtod": 0.0,
        "asymmetry_dtod": 0.0,
        "fano_dtod": 0.0,
        "memory_ratio": ratio,
        "memory_length_m": length_m,
    }
    parameters = CompactParameters(**(values | changes))
    state = {kept.name: np.full(DEVICES, kept.initial, kept.dtype) for kept in CompactWalls.kept(parameters)}
    return CompactWalls(DEVICES, 11, parameters, state)


def _pulse(walls: CompactWalls, push: int, pull: int, event: int) -> None:
    walls.pulse_range(0, np.full(DEVICES, push, np.uint8), np.full(DEVICES, pull, np.uint8), DRIVE, event)


def _has_variance(walls: CompactWalls, expected: float, mean: float = 0.0) -> bool:
    moved = walls.position.astype(np.float64) - 0.5
    centred = (moved - moved.mean()) ** 2
    error = centred.std() / np.sqrt(DEVICES)
    return abs(moved.mean() - mean) < 4 * moved.std() / np.sqrt(DEVICES) and abs(moved.var() - expected) < 4 * error


@pytest.mark.parametrize("law", ["gaussian", "gamma"])
def test_a_staircase_has_the_full_variance_in_one_event_and_in_many(law: str):
    for push, pull, sign in ((1, 0, 1), (0, 1, -1)):
        walls = _walls(law=law)
        for event in range(1, 11):
            _pulse(walls, push, pull, event)
            if event in (1, 10):
                assert _has_variance(walls, event * VARIANCE, sign * event * STEP), (law, sign, event)
    walls = _walls(law=law)
    _pulse(walls, 100, 0, 1)
    assert _has_variance(walls, 100 * VARIANCE, 100 * STEP), law


@pytest.mark.parametrize("ratio", [0.3, 0.6, 1.0])
def test_doublets_have_the_stated_share_in_one_event_and_in_many(ratio: float):
    walls = _walls(ratio=ratio)
    for event in range(1, 21):
        _pulse(walls, event % 2, 1 - event % 2, event)
        if event in (2, 20):
            assert _has_variance(walls, event * ratio * VARIANCE), event
    walls = _walls(ratio=ratio)
    _pulse(walls, 50, 50, 1)
    assert _has_variance(walls, 100 * ratio * VARIANCE)
    walls = _walls(ratio=ratio)
    _pulse(walls, 30, 10, 1)
    assert _has_variance(walls, (20 + 20 * ratio) * VARIANCE, 20 * STEP)


def test_a_long_way_there_and_back_undoes_what_is_frozen():
    walls = _walls(ratio=0.2)
    _pulse(walls, 200, 0, 1)
    there = walls.position.astype(np.float64) - 0.5
    _pulse(walls, 0, 200, 2)
    assert _has_variance(walls, 400 * 0.2 * VARIANCE)
    _pulse(walls, 200, 0, 3)
    again = walls.position.astype(np.float64) - 0.5
    # The frozen part is common to both ways there; the fresh noise of the first is common as well.
    expected = (0.8 + 0.2) / np.sqrt((0.8 + 0.2) * (0.8 + 3 * 0.2))
    assert np.corrcoef(there, again)[0, 1] == pytest.approx(expected, abs=4 / np.sqrt(DEVICES))


def test_pushes_and_pulls_may_differ_in_noise():
    walls = _walls(pull_fano_length_m=6e-9)
    _pulse(walls, 0, 40, 1)
    assert _has_variance(walls, 40 * STEP * 6e-4, -40 * STEP)
    walls = _walls(pull_fano_length_m=6e-9)
    _pulse(walls, 40, 40, 1)
    assert _has_variance(walls, 40 * 0.6 * STEP * (4e-4 + 6e-4))


def test_below_the_memory_length_the_path_is_smooth():
    """With cells of length l the frozen variance of a way d is that of d^2/l (1 - d/3l) below l, of d - l/3 above."""
    cell = 2**-7
    for pulses in (2, 30):
        walls = _walls(ratio=0.6, length_m=cell * 1e-5)
        _pulse(walls, pulses, 0, 1)
        way = pulses * STEP
        frozen = way**2 / cell * (1 - way / (3 * cell)) if way < cell else way - cell / 3
        assert _has_variance(walls, pulses * 0.6 * VARIANCE + 0.4 * 4e-4 * frozen, way), pulses


def test_a_wall_that_is_put_elsewhere_takes_its_path_along():
    one, other = _walls(ratio=0.3), _walls(ratio=0.3)
    other.position += np.float32(0.125)
    for walls in (one, other):
        _pulse(walls, 20, 0, 1)
    assert other.position == pytest.approx(one.position + 0.125, abs=1e-6)


def test_results_depend_neither_on_threads_nor_on_cutting_nor_on_the_route():
    before = numba.get_num_threads()
    spread = {"velocity_dtod": 0.1, "asymmetry_dtod": 0.05, "fano_dtod": 0.1}
    push = np.random.default_rng(0).integers(0, 90, DEVICES).astype(np.uint8)
    pull = push[::-1].copy()
    whole, single, selected = _walls(**spread), _walls(**spread), _walls(**spread)
    whole.pulse_range(0, push, pull, DRIVE, event=5)
    try:
        numba.set_num_threads(1)
        for low, high in ((0, 12_345), (12_345, DEVICES)):
            single.pulse_range(low, push[low:high], pull[low:high], DRIVE, event=5)
    finally:
        numba.set_num_threads(before)
    chosen = np.array([3, 59_999, 1024, 7], np.uint32)
    selected.pulse_selected(chosen, push[chosen].astype(np.int64), pull[chosen].astype(np.int64), DRIVE, event=5)
    assert np.array_equal(whole.position, single.position)
    assert selected.position[chosen] == pytest.approx(whole.position[chosen], rel=1e-6)


def test_memory_that_cannot_be_had_is_refused():
    for changes in ({"memory_length_m": 0.0}, {"memory_length_m": 1e-11}, {"ratio": 0.3, "pull_fano_length_m": 2e-8}):
        with pytest.raises(ValueError, match="memory_"):
            _walls(**changes)
