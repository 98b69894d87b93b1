"""A pulse in pieces keeps the area, the energy and the temperature of the trapezoid it stands for."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sim_instruments.physics.pulse_shape import PulseLine, heated_rise_k, segments

HOT = PulseLine(rise_time_s=2e-9, thermal_resistance_k_w=1e4, thermal_time_s=5e-9, temperature_k=300.0)
OHM = 2000.0


def _trapezoid_v(time_s: float, amplitude_v: float, width_s: float, rise_s: float) -> float:
    edge_s = min(rise_s, width_s)
    slope = amplitude_v / rise_s
    return max(0.0, min(slope * time_s, slope * edge_s, slope * (width_s + edge_s - time_s)))


def _rise_by_integration(times_s: np.ndarray, amplitude_v: float, width_s: float, line: PulseLine) -> np.ndarray:
    def slope(time_s: float, rise_k: np.ndarray) -> np.ndarray:
        power_w = _trapezoid_v(time_s, amplitude_v, width_s, line.rise_time_s) ** 2 / OHM
        return (line.thermal_resistance_k_w * power_w - rise_k) / line.thermal_time_s

    found = solve_ivp(
        slope, (0, times_s[-1]), [0.0], t_eval=times_s, rtol=1e-9, atol=1e-9, max_step=line.rise_time_s / 20
    )
    return found.y[0]


def test_a_rectangular_pulse_without_heating_is_one_piece():
    pulse = segments(-1.5, 1e-8, PulseLine(temperature_k=310.0), OHM)
    assert (pulse.duration_s.tolist(), pulse.voltage_v.tolist(), pulse.temperature_k.tolist()) == (
        [1e-8],
        [-1.5],
        [310.0],
    )


@pytest.mark.parametrize(("width_s", "top_v"), [(1e-8, 1.5), (2e-9, 1.5), (5e-10, 0.375)])
def test_edges_keep_width_area_and_energy(width_s: float, top_v: float):
    line = PulseLine(rise_time_s=2e-9, thermal_resistance_k_w=1e4, thermal_time_s=1e-6)
    pulse = segments(1.5, width_s, line, OHM, parts=5)
    driven = pulse.voltage_v > 0
    edge_s = min(2e-9, width_s)
    assert pulse.duration_s[driven].sum() / (width_s + edge_s) == pytest.approx(1.0)
    assert (pulse.duration_s * pulse.voltage_v).sum() / width_s == pytest.approx(top_v)
    # The response is linear: its integral is R_th E, less what the hundredth left at the end still holds.
    energy_j = top_v**2 / OHM * (width_s - edge_s / 3)
    integral_k_s = (pulse.duration_s * (pulse.temperature_k - 300.0)).sum()
    assert integral_k_s / (1e4 * energy_j) == pytest.approx(0.99, rel=1e-4)
    assert pulse.duration_s[~driven].sum() / 1e-6 == pytest.approx(math.log(100))


def test_temperature_under_a_long_pulse_follows_the_closed_form():
    line = PulseLine(thermal_resistance_k_w=1e4, thermal_time_s=5e-9)
    pulse = segments(2.0, 3e-8, line, OHM, parts=6)
    ends = np.cumsum(pulse.duration_s)
    exact = []
    for begin, end in zip(ends - pulse.duration_s, ends, strict=True):
        times = np.linspace(begin, end, 2001)
        hot = [heated_rise_k(min(t, 3e-8), 4.0 / OHM, line) * math.exp(-max(0.0, t - 3e-8) / 5e-9) for t in times]
        exact.append(np.trapezoid(hot, times) / (end - begin))
    assert pulse.temperature_k - 300.0 == pytest.approx(exact, rel=1e-5)
    assert heated_rise_k(5e-9, 4.0 / OHM, line) == pytest.approx(20.0 * (1 - math.exp(-1)))


@pytest.mark.parametrize("width_s", [1e-8, 1e-9])
def test_pieces_give_the_mean_temperatures_of_the_exact_solution(width_s: float):
    pulse = segments(2.0, width_s, HOT, OHM, parts=32)
    ends = np.concatenate(([0.0], np.cumsum(pulse.duration_s)))
    fine = np.linspace(0, ends[-1], 20_001)
    rise = _rise_by_integration(fine, 2.0, width_s, HOT)
    areas = np.concatenate(([0.0], np.cumsum((rise[1:] + rise[:-1]) / 2 * np.diff(fine))))
    exact = np.diff(np.interp(ends, fine, areas)) / pulse.duration_s
    assert pulse.temperature_k - 300.0 == pytest.approx(exact, rel=2e-3, abs=5e-4 * exact.max())


def test_pieces_of_an_edge_converge_with_the_square_of_their_number():
    def mean_k(parts: int) -> float:
        pulse = segments(2.0, 4e-9, HOT, OHM, parts=parts)
        return float((pulse.duration_s * (pulse.temperature_k - 300) * pulse.voltage_v).sum())

    exact = mean_k(2048)
    errors = [abs(mean_k(parts) - exact) for parts in (4, 8, 16)]
    assert errors[0] / errors[1] > 3
    assert errors[1] / errors[2] > 3


def test_a_train_begins_as_warm_as_it_ends():
    period_s = 1.5e-8
    pulse = segments(2.0, 4e-9, HOT, OHM, parts=6, period_s=period_s)
    assert pulse.duration_s.sum() / period_s == pytest.approx(1.0)
    # The mean rise of a train is R_th times its mean power, whatever the shape.
    energy_j = 4.0 / OHM * (4e-9 - 2e-9 / 3)
    mean_k = (pulse.duration_s * (pulse.temperature_k - 300)).sum() / period_s
    assert mean_k == pytest.approx(1e4 * energy_j / period_s, rel=1e-9)
    single = segments(2.0, 4e-9, HOT, OHM, parts=6)
    assert pulse.temperature_k[0] > single.temperature_k[0] + 1.0
    slow = segments(2.0, 4e-9, HOT, OHM, parts=6, period_s=1e-6)
    assert slow.temperature_k[:12] == pytest.approx(single.temperature_k[:12])


def test_a_train_without_heating_rests_for_what_is_left_of_the_period():
    pulse = segments(1.0, 1e-8, PulseLine(), OHM, period_s=3e-8)
    assert pulse.duration_s / 1e-8 == pytest.approx([1.0, 2.0])
    assert pulse.voltage_v.tolist() == [1.0, 0.0]


def test_a_pulse_longer_than_the_period_is_refused():
    with pytest.raises(ValueError, match="period_s"):
        segments(1.0, 1e-8, HOT, OHM, period_s=1e-8)
