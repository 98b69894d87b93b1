"""Many pulses in one draw leave walls near the ends where pulses one by one would.

The reference walks every pulse. Seeds are fixed. Means may differ by 0.1 of a pulse's mean step and 4 standard errors,
standard deviations by a few per cent and 4 standard errors: with fresh seeds one of these tests would fail by chance in
about 1 of 100 runs, if the approximation were exact.
"""

import numpy as np
import pytest

from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.compact.walls import CompactWalls
from sim_instruments.physics.pulse_order import is_push_next
from sim_instruments.physics.walls import Drive

DEVICES = 20_000
LENGTH_M = 1e-5


def _parameters(**changes: float) -> CompactParameters:
    values = {
        "track_length_m": LENGTH_M,
        "reference_amplitude_v": 1.5,
        "threshold_v": 0.5,
        "push_velocity_m_s": 0.04,
        "pull_velocity_m_s": 0.036,
        "push_fano_length_m": 2e-9,
        "pull_fano_length_m": 2.2e-9,
        "velocity_dtod": 0.0,
        "asymmetry_dtod": 0.0,
        "fano_dtod": 0.0,
    }
    return CompactParameters(**(values | changes))


def _drive(width_s: float) -> Drive:
    return Drive(push_amplitude_v=1.5, push_width_s=width_s, pull_amplitude_v=1.5, pull_width_s=width_s)


def _moved(parameters: CompactParameters, x: float, push: int, pull: int, width_s: float) -> np.ndarray:
    walls = CompactWalls(DEVICES, 7, parameters, {"position": np.full(DEVICES, x, np.float32)})
    counts = np.full(DEVICES, push, np.uint8), np.full(DEVICES, pull, np.uint8)
    walls.pulse_range(0, *counts, _drive(width_s), event=push * 256 + pull)
    return walls.position.astype(np.float64)


def _gain(x: np.ndarray, slope: float, curvature: float) -> np.ndarray:
    return 1 + slope * (2 * x - 1) + curvature * (2 * x - 1) ** 2


def _walked(p: CompactParameters, start: float, push: int, pull: int, width_s: float) -> np.ndarray:
    random = np.random.default_rng(push * 1000 + pull)
    x = np.full(DEVICES, start)
    pushed, pulled = 0, 0
    while pushed + pulled < push + pull:
        if is_push_next.py_func(pushed, pulled, push, pull):
            pushed += 1
            mean = p.push_velocity_m_s * width_s / LENGTH_M * _gain(x, p.push_gain_slope, p.push_gain_curvature)
            x += mean + np.sqrt(mean * p.push_fano_length_m / LENGTH_M) * random.standard_normal(DEVICES)
        else:
            pulled += 1
            mean = p.pull_velocity_m_s * width_s / LENGTH_M * _gain(x, -p.pull_gain_slope, p.pull_gain_curvature)
            x -= mean + np.sqrt(mean * p.pull_fano_length_m / LENGTH_M) * random.standard_normal(DEVICES)
        np.clip(x, 0, 1, out=x)
    return x


COUNTS = [
    (1, 0), (0, 1), (1, 1), (2, 1), (1, 3), (9, 0), (0, 9), (40, 0), (0, 40), (5, 5), (12, 12), (60, 60), (8, 7),
    (7, 8), (22, 20), (20, 22), (40, 20), (20, 40), (60, 8), (8, 60),
]  # fmt: skip


@pytest.mark.parametrize("width_s", [2e-8, 1e-7, 4e-7])
def test_walls_near_an_end_are_where_pulses_one_by_one_leave_them(width_s: float):
    p = _parameters()
    step = 0.04 * width_s / LENGTH_M
    deviation = np.sqrt(step * 2.2e-4)
    for push, pull in COUNTS:
        for x in (0.0, 1.5 * step, 5 * step, 1 - 5 * step, 1 - 1.5 * step, 1.0):
            found = _moved(p, x, push, pull, width_s)
            expected = _walked(p, x, push, pull, width_s)
            case = (push, pull, x)
            assert 0 <= found.min() <= found.max() <= 1, case
            error = 4 * np.sqrt(2 / DEVICES) * max(expected.std(), found.std())
            assert abs(found.mean() - expected.mean()) < 0.1 * step + error, case
            tolerance = 0.05 * expected.std() + 0.05 * deviation
            assert abs(found.std() - expected.std()) < tolerance + error, case


@pytest.mark.parametrize(
    "gains",
    [
        {"push_gain_slope": 0.3, "pull_gain_slope": -0.2},
        {"push_gain_slope": -0.3, "push_gain_curvature": 0.2, "pull_gain_slope": 0.2, "pull_gain_curvature": -0.1},
    ],
)
def test_steps_that_depend_on_the_position_add_up_as_one_by_one(gains: dict[str, float]):
    p = _parameters(**gains)
    for width_s in (1e-7, 4e-7):
        step = 0.04 * width_s / LENGTH_M
        for push, pull in ((1, 0), (0, 30), (60, 0), (60, 60), (90, 40)):
            for x in (0.0, 0.2, 0.6, 0.97):
                found = _moved(p, x, push, pull, width_s)
                expected = _walked(p, x, push, pull, width_s)
                case = (width_s, push, pull, x)
                error = 4 * np.sqrt(2 / DEVICES) * max(expected.std(), found.std())
                assert abs(found.mean() - expected.mean()) < 0.1 * step + error, case
                near_an_end = 0.05 * np.sqrt(step * 2.2e-4)
                assert abs(found.std() - expected.std()) < 0.03 * expected.std() + near_an_end + error, case


def test_far_from_the_ends_nothing_is_changed():
    """Bit for bit: the ends enter only where they may have been met."""
    p = _parameters()
    near, far = (
        CompactWalls(DEVICES, 7, p, {"position": np.full(DEVICES, 0.5, np.float32)}),
        CompactWalls(DEVICES, 7, p, {"position": np.full(DEVICES, 0.5, np.float32)}),
    )
    near.position[::2] = 0.0
    counts = np.full(DEVICES, 30, np.uint8)
    for walls in (near, far):
        walls.pulse_range(0, counts, counts, _drive(1e-7), event=1)
    assert np.array_equal(near.position[1::2], far.position[1::2])
    assert not np.array_equal(near.position[::2], far.position[::2])


def test_way_over_the_whole_track_goes_in_parts():
    p = _parameters(push_fano_length_m=4e-8, pull_fano_length_m=4e-8)
    width_s = 2e-6
    for push, pull in ((60, 0), (30, 40), (60, 60), (9, 3)):
        found, expected = _moved(p, 0.3, push, pull, width_s), _walked(p, 0.3, push, pull, width_s)
        error = 4 * np.sqrt(2 / DEVICES) * expected.std()
        assert abs(found.mean() - expected.mean()) < 0.1 * 0.008 + error, (push, pull)
        assert abs(found.std() - expected.std()) < 0.05 * (expected.std() + 0.008) + error, (push, pull)
