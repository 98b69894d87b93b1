"""The compact wall model and the read-out follow their closed forms.

Seeds are fixed. Bounds are 4 standard errors, or p-values of 1e-4: with fresh seeds one of these tests would fail in
about 1 of 500 runs.
"""

import numba
import numpy as np
import pytest
from scipy import stats

from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.compact.walls import CompactWalls
from sim_instruments.physics.readout import ReadoutParameters, read_range, read_selected
from sim_instruments.physics.walls import Drive

DEVICES = 200_000
DRIVE = Drive(push_amplitude_v=1.5, push_width_s=1e-7, pull_amplitude_v=1.5, pull_width_s=1e-7)


def _walls(*, spread: float = 0.0, position: float = 0.5, seed: int = 1, **changes: float) -> CompactWalls:
    values = {
        "track_length_m": 1e-5,
        "reference_amplitude_v": 1.5,
        "threshold_v": 0.5,
        "push_velocity_m_s": 0.04,
        "pull_velocity_m_s": 0.03,
        "push_fano_length_m": 2e-9,
        "pull_fano_length_m": 3e-9,
        "velocity_dtod": spread,
        "asymmetry_dtod": spread,
        "fano_dtod": spread,
    }
    state = {"position": np.full(DEVICES, position, np.float32)}
    return CompactWalls(DEVICES, seed, CompactParameters(**(values | changes)), state)


def _counts(number: int) -> np.ndarray:
    return np.full(DEVICES, number, np.uint8)


@pytest.mark.parametrize(("push", "pull"), [(1, 0), (0, 1), (7, 3), (100, 120), (255, 255)])
def test_displacement_is_gaussian_with_the_stated_mean_and_variance(push: int, pull: int):
    walls = _walls()
    walls.pulse_range(0, _counts(push), _counts(pull), DRIVE, event=1)
    moved = walls.position.astype(np.float64) - 0.5
    mu_push, mu_pull = 0.04 * 1e-7 / 1e-5, 0.03 * 1e-7 / 1e-5
    mean = push * mu_push - pull * mu_pull
    variance = push * mu_push * 2e-4 + pull * mu_pull * 3e-4
    assert stats.kstest((moved - mean) / np.sqrt(variance), "norm").pvalue > 1e-4
    assert abs(moved.mean() - mean) < 4 * np.sqrt(variance / DEVICES)
    assert abs(moved.var() / variance - 1) < 4 * np.sqrt(2 / DEVICES)


def test_amplitude_acts_above_the_threshold_only_and_in_proportion():
    for amplitude_v, share in ((0.4, 0.0), (0.5, 0.0), (1.0, 0.5), (2.5, 2.0)):
        walls = _walls(push_fano_length_m=1e-15)
        drive = Drive(push_amplitude_v=amplitude_v, push_width_s=1e-6, pull_amplitude_v=1.5, pull_width_s=1e-7)
        walls.pulse_range(0, _counts(10), _counts(0), drive, event=1)
        assert float(walls.position.mean(dtype=np.float64)) - 0.5 == pytest.approx(10 * 0.004 * share, abs=1e-6)


def test_devices_differ_as_stated_and_keep_their_character():
    walls = _walls(spread=0.1, push_fano_length_m=1e-15, pull_fano_length_m=1e-15)
    walls.pulse_range(0, _counts(50), _counts(0), DRIVE, event=1)
    first = walls.position.astype(np.float64) - 0.5
    walls.pulse_range(0, _counts(50), _counts(0), DRIVE, event=2)
    second = walls.position.astype(np.float64) - 0.5 - first
    assert first.std() / first.mean() == pytest.approx(0.1, rel=0.02)
    assert np.corrcoef(first, second)[0, 1] > 0.999
    walls.pulse_range(0, _counts(0), _counts(50), DRIVE, event=3)
    back = first + second - (walls.position.astype(np.float64) - 0.5)
    assert back.std() / back.mean() == pytest.approx(np.sqrt(0.1**2 + 0.1**2), rel=0.03)


def test_walls_stop_at_both_ends():
    walls = _walls(position=0.98)
    drive = Drive(push_amplitude_v=1.5, push_width_s=1e-6, pull_amplitude_v=1.5, pull_width_s=1e-6)
    walls.pulse_range(0, _counts(255), _counts(0), drive, event=1)
    # The last step may lead away from the end: that takes 4.5 standard deviations here, and 3.2 below.
    assert walls.position.max() == 1.0
    assert walls.position.min() > 1 - 0.004
    assert np.mean(walls.position == 1.0) > 0.999
    for event in range(2, 5):
        walls.pulse_range(0, _counts(0), _counts(255), drive, event)
    assert walls.position.min() == 0.0
    assert walls.position.max() < 0.003
    assert np.mean(walls.position == 0.0) > 0.998


def test_results_depend_neither_on_threads_nor_on_cutting_nor_on_the_route():
    before = numba.get_num_threads()
    push = np.random.default_rng(0).integers(0, 9, DEVICES).astype(np.uint8)
    whole, single, selected = _walls(spread=0.1), _walls(spread=0.1), _walls(spread=0.1)
    whole.pulse_range(0, push, push[::-1].copy(), DRIVE, event=5)
    try:
        numba.set_num_threads(1)
        cut = 12_345
        single.pulse_range(0, push[:cut], push[::-1][:cut].copy(), DRIVE, event=5)
        single.pulse_range(cut, push[cut:], push[::-1][cut:].copy(), DRIVE, event=5)
    finally:
        numba.set_num_threads(before)
    chosen = np.array([3, 99_999, 1024, 7], np.uint32)
    counts = push[chosen].astype(np.int64), push[::-1][chosen].astype(np.int64)
    selected.pulse_selected(chosen, *counts, DRIVE, event=5)
    assert np.array_equal(whole.position, single.position)
    # One device at a time the arithmetic is ordered differently: the last bit may differ, the random number does not.
    assert selected.position[chosen] == pytest.approx(whole.position[chosen], rel=3e-7)


def _read(position: np.ndarray, law: ReadoutParameters, event: int) -> np.ndarray:
    codes = np.empty(len(position), np.uint16)
    read_range(position, 0, codes, law, event=event, seed=2)
    return codes


def test_read_out_is_linear_with_white_noise_and_whole_codes():
    law = ReadoutParameters(
        conductance_low_s=2e-4,
        conductance_high_s=4e-4,
        conductance_noise_s=4.5e-8,
        code_offset_s=1.5e-4,
        code_lsb_s=4.5e-9,
    )
    position = np.linspace(0, 1, DEVICES, dtype=np.float32)
    codes = _read(position, law, event=1)
    conductance = 1.5e-4 + 4.5e-9 * codes.astype(np.float64)
    residual = (conductance - (2e-4 + 2e-4 * position)) / 4.5e-9
    assert abs(residual.mean()) < 4 * residual.std() / np.sqrt(DEVICES)
    assert residual.var() == pytest.approx(10.0**2 + 1 / 12, rel=4 * np.sqrt(2 / DEVICES))
    chosen = np.array([5, 77_777], np.uint32)
    assert np.array_equal(read_selected(position, chosen, law, event=1, seed=2), codes[chosen])
    assert not np.array_equal(_read(position, law, event=2), codes)


def test_codes_stop_at_the_ends_of_the_converter():
    law = ReadoutParameters(
        conductance_low_s=1e-4, conductance_high_s=9e-4, conductance_noise_s=0.0, code_offset_s=2e-4, code_lsb_s=1e-9
    )
    codes = _read(np.array([0.0, 1.0], np.float32), law, event=1)
    assert codes.tolist() == [0, 65535]
