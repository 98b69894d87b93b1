"""What a meter and the array's converter make of walls: closed forms, and codes against them.

Seeds are fixed. Bounds on drawn numbers are 4 standard errors on about 30 figures: with fresh seeds one of these tests
would fail in about 1 of 500 runs. The rest is met to rounding, or to 1e-3 of a code where a series stands in.
"""

import math

import numba
import numpy as np
import pytest
from scipy import constants, integrate, optimize

from sim_instruments.physics.readout import CurvedLaw, ReadoutParameters, read_range, read_selected
from sim_instruments.physics.readout.array_law import array_law
from sim_instruments.physics.readout.contacts import Contacts, Windows
from sim_instruments.physics.readout.flicker import Flicker
from sim_instruments.physics.readout.hall_cross import HallCross
from sim_instruments.physics.readout.junction import Junction
from sim_instruments.physics.readout.load import Junctions, Ohmic
from sim_instruments.physics.readout.parameters import Converter, Electrical
from sim_instruments.physics.readout.telegraph import Telegraph
from sim_instruments.physics.readout.wall_profile import high_share, smooth

DEVICES = 200_000
ELECTRICAL = {"conductance_low_s": 2e-4, "conductance_high_s": 4e-4, "write_resistance_ohm": 2e3}
CONVERTER = {"conductance_noise_s": 4.5e-8, "code_offset_s": 1.0e-4, "code_lsb_s": 5e-9}
JUNCTION = Junction(conductance_low_s=2e-4, conductance_high_s=4e-4, bias_half_voltage_v=0.5, series_resistance_ohm=600)
WHOLE = Electrical(
    **ELECTRICAL,
    bias_half_voltage_v=0.5,
    series_resistance_ohm=600,
    wall_width_share=0.01,
    temperature_k=300,
    flicker=Flicker(hooge_um2=1e-10, area_um2=0.05),
    telegraph=Telegraph(step=5e-5, upper_s=1e-3, lower_s=2e-3),
)


def test_a_wide_wall_is_the_sharp_one_folded_with_its_profile():
    width = 0.02
    for position in (0.0, 0.005, 0.02, 0.05, 0.3, 0.5, 0.97, 1.0):
        folded, _ = integrate.quad(
            lambda s, x=position: np.clip(x - s, 0, 1) / (2 * width * np.cosh(s / width) ** 2),
            -0.5,
            0.5,
            points=[position - 1, 0.0, position] if 0 < position < 0.5 else [0.0],
            limit=200,
        )
        assert float(high_share(np.array(position), width)) == pytest.approx(folded, abs=1e-8)
    assert float(high_share(np.array(0.0), width)) == pytest.approx(width / 2 * math.log(2), rel=1e-12)
    inside = np.linspace(math.pi * width * 2, 1 - math.pi * width * 2, 100)
    assert high_share(inside, width) == pytest.approx(inside, abs=1e-7)
    assert np.array_equal(high_share(inside, 0.0), inside)


def test_the_kernel_smooths_as_the_closed_form():
    position = np.append(np.linspace(0, 1, 20_001), np.geomspace(1e-9, 1e-3, 200)).astype(np.float32)
    for width in (0.0, 6e-4, 0.03, 0.1):
        shares = np.empty_like(position)
        smooth(shares, position, np.float32(width))
        assert shares == pytest.approx(high_share(position, width), abs=2e-7)


def test_bias_halves_the_tmr_at_its_half_voltage_and_leaves_the_high_state():
    bare = Junction(conductance_low_s=1e-4, conductance_high_s=2.5e-4, bias_half_voltage_v=0.4)
    assert bare.tmr == pytest.approx(1.5)
    assert bare.tmr_at([0.0, 0.4, -0.4]) == pytest.approx([1.5, 0.75, 0.75])
    assert bare.conductance_s(1.0, [0.0, 0.3, 2.0]) == pytest.approx(2.5e-4, rel=1e-12)
    assert bare.conductance_s(0.0, 0.4) == pytest.approx(2.5e-4 / 1.75, rel=1e-12)
    # Two strips side by side, at any voltage.
    share = np.linspace(0, 1, 11)
    for voltage_v in (0.0, 0.1, 0.7):
        low, high = bare.conductance_s(np.array([0.0, 1.0]), voltage_v)
        assert bare.conductance_s(share, voltage_v) == pytest.approx(low + (high - low) * share, rel=1e-12)


@pytest.mark.parametrize("tmr", [0.1, 1.0, 6.0])
@pytest.mark.parametrize("series_ohm", [0.0, 10.0, 600.0, 5e4])
def test_the_operating_point_is_the_one_where_channel_and_junction_share_the_voltage(tmr: float, series_ohm: float):
    junction = Junction(
        conductance_low_s=4e-4 / (1 + tmr),
        conductance_high_s=4e-4,
        bias_half_voltage_v=0.5,
        series_resistance_ohm=series_ohm,
    )
    share, voltage_v = np.meshgrid([0.0, 0.2, 0.9, 1.0], [-3.0, -0.6, -1e-6, 0.0, 1e-3, 0.4, 1.0, 50.0])
    point = junction.at_voltage(share, voltage_v)
    assert point.junction_voltage_v + series_ohm * point.current_a == pytest.approx(voltage_v, rel=1e-12, abs=0)
    low = 1 / (1 + junction.tmr_at(point.junction_voltage_v))
    direct = 4e-4 * point.junction_voltage_v * (share + (1 - share) * low)
    assert point.current_a == pytest.approx(direct, rel=1e-12, abs=0)
    step = 1e-6
    around = [junction.at_voltage(share, voltage_v + sign * step) for sign in (1, -1)]
    rise_a = around[0].current_a - around[1].current_a
    assert point.terminal_slope_s == pytest.approx(rise_a / (2 * step), rel=1e-5)
    rise_v = around[0].junction_voltage_v - around[1].junction_voltage_v
    assert point.junction_slope_s == pytest.approx(rise_a / rise_v, rel=1e-5)
    conductance_s = junction.conductance_s(share[1:3], voltage_v[1:3])
    assert conductance_s == pytest.approx(point.current_a[1:3] / voltage_v[1:3], rel=1e-12)


def test_an_independent_solver_finds_the_same_current():
    def excess(current_a: float, voltage_v: float, share: float) -> float:
        across_v = voltage_v - 600 * current_a
        return 4e-4 * across_v * (share + (1 - share) / (1 + 1 / (1 + (across_v / 0.5) ** 2))) - current_a

    for share, voltage_v in ((0.1, 0.05), (0.5, 0.8), (0.9, 2.0)):
        found = optimize.brentq(excess, 0, 4e-4 * voltage_v, args=(voltage_v, share), xtol=1e-18, rtol=1e-14)
        assert JUNCTION.at_voltage(share, voltage_v).current_a == pytest.approx(found, rel=1e-11)


def test_devices_side_by_side_add_up_and_the_voltage_at_a_current_is_found_back():
    shares = np.array([0.1, 0.5, 0.95])
    load = Junctions(junction=JUNCTION, high_share=shares, scale=np.ones((1, 3)), shunt_s=1e-5)
    voltage_v = np.array([-2.0, -0.3, 0.0, 1e-9, 0.2, 0.9, 5.0])
    one_by_one = sum(JUNCTION.at_voltage(share, voltage_v).current_a for share in shares)
    assert load.current_a(voltage_v) == pytest.approx(one_by_one + 1e-5 * voltage_v, rel=1e-12)
    assert load.voltage_v(load.current_a(voltage_v)) == pytest.approx(voltage_v, rel=1e-12, abs=0)
    plain = Junction(conductance_low_s=2e-4, conductance_high_s=4e-4)
    ohmic = Junctions(junction=plain, high_share=shares, scale=np.ones((1, 3)))
    sum_s = float((2e-4 + 2e-4 * shares).sum())
    assert ohmic.current_a(voltage_v) == pytest.approx(Ohmic(sum_s).current_a(voltage_v), rel=1e-12)
    assert ohmic.voltage_v(voltage_v) == pytest.approx(Ohmic(sum_s).voltage_v(voltage_v), rel=1e-12)
    assert ohmic.slope_s(voltage_v) == pytest.approx(sum_s, rel=1e-12)
    # Without bias and channel the noise is that of a conductance.
    assert ohmic.current_noise_a2_hz(voltage_v, 300) == pytest.approx(
        Ohmic(sum_s).current_noise_a2_hz(voltage_v, 300), rel=1e-12
    )


def test_a_hall_cross_reads_the_wall_while_it_is_inside():
    cross = HallCross(resistance_ohm=2.0, start=0.2, length=0.5)
    inside = np.linspace(0.2, 0.7, 11)
    assert cross.voltage_v(inside, 1e-3) == pytest.approx(2e-3 * (1 - 2 * (inside - 0.2) / 0.5), abs=1e-15)
    assert cross.resistance_at_ohm([0.0, 0.1, 0.8, 1.0]).tolist() == [2.0, 2.0, -2.0, -2.0]
    wide = HallCross(resistance_ohm=2.0, start=0.2, length=0.5, wall_width=0.02, offset_ohm=-0.3)
    for position in (0.1, 0.19, 0.21, 0.45, 0.69, 0.75):
        mean, _ = integrate.quad(lambda s, x=position: math.tanh((s - x) / 0.02) / 0.5, 0.2, 0.7, points=[position])
        assert wide.resistance_at_ohm(position) == pytest.approx(2.0 * mean - 0.3, abs=1e-9)


def read(position: np.ndarray, law: ReadoutParameters | CurvedLaw, event: int = 1) -> np.ndarray:
    codes = np.empty(len(position), np.uint16)
    read_range(position, 0, codes, law, event=event, seed=2)
    return codes


def test_without_the_finer_effects_the_law_is_the_plain_one():
    law = array_law(Electrical(**ELECTRICAL), Converter(**CONVERTER))
    assert law == ReadoutParameters(conductance_low_s=2e-4, conductance_high_s=4e-4, **CONVERTER)
    # The other kernel draws the same numbers, so effects too small to see give the same codes.
    unseen = array_law(Electrical(**ELECTRICAL, wall_width_share=1e-9), Converter(**CONVERTER))
    assert isinstance(unseen, CurvedLaw)
    position = np.random.default_rng(0).random(DEVICES, np.float32)
    apart = read(position, law).astype(int) - read(position, unseen).astype(int)
    assert np.abs(apart).max() <= 1
    assert np.count_nonzero(apart) < 0.01 * DEVICES


@pytest.mark.parametrize("tmr", [0.1, 6.0])
@pytest.mark.parametrize("series_ohm", [0.0, 600.0, 1e4])
@pytest.mark.parametrize("voltage_v", [0.0, 0.3, 2.0])
def test_the_series_gives_the_physics_to_a_fraction_of_a_code(tmr: float, series_ohm: float, voltage_v: float):
    electrical = Electrical(
        conductance_low_s=4e-4 / (1 + tmr),
        conductance_high_s=4e-4,
        write_resistance_ohm=1.0,
        bias_half_voltage_v=0.5,
        series_resistance_ohm=series_ohm,
        wall_width_share=0.02,
    )
    converter = Converter(conductance_noise_s=0.0, code_offset_s=0.0, code_lsb_s=6.2e-9, voltage_v=voltage_v)
    position = np.linspace(0, 1, 50_001, dtype=np.float32)
    exact = electrical.junction.conductance_s(high_share(position, 0.02), voltage_v) / 6.2e-9
    off = read(position, array_law(electrical, converter)) - exact
    # Rounding, and the last bits of single precision at 65 000.
    assert np.abs(off).max() < 0.5 + 0.05


def test_codes_have_the_mean_and_the_noise_of_the_physics():
    converter = Converter(**CONVERTER, voltage_v=0.25, reading_s=2e-8)
    law = array_law(WHOLE, converter)
    junction = WHOLE.junction
    for position in (0.0, 0.02, 0.5, 1.0):
        codes = read(np.full(DEVICES, position, np.float32), law).astype(np.float64)
        point = junction.at_voltage(float(high_share(np.array(position), 0.01)), 0.25)
        seen_s = float(point.current_a) / 0.25
        resistance_ohm = 1 / float(point.junction_slope_s)
        passed = resistance_ohm / (resistance_ohm + 600)
        x = constants.e * float(point.junction_voltage_v) / (2 * constants.Boltzmann * 300)
        shot_a2_hz = 2 * constants.e * float(point.current_a) / math.tanh(x)
        channel_a2_hz = 4 * constants.Boltzmann * 300 * 600 / resistance_ohm**2
        white_s2 = (shot_a2_hz + channel_a2_hz) * passed**2 / (2 * 2e-8) / 0.25**2
        relative = 2e-9 * (math.log(1e5 / 2e-8) + 1.5 - np.euler_gamma) + 5e-5**2 * 2 / 9
        variance_s2 = 4.5e-8**2 + white_s2 + relative * (seen_s * passed) ** 2
        expected = variance_s2 / 5e-9**2 + 1 / 12
        # Fluctuations faster than the fastest relaxation, which so short a reading would see, are not made: 0.2 %.
        assert codes.var() == pytest.approx(expected, rel=4 * math.sqrt(2 / DEVICES) + 0.005)
        assert codes.mean() == pytest.approx((seen_s - 1e-4) / 5e-9, abs=4 * math.sqrt(expected / DEVICES) + 0.02)


def test_curved_codes_depend_neither_on_threads_nor_on_cutting_nor_on_the_route():
    law = array_law(WHOLE, Converter(**CONVERTER, voltage_v=0.25))
    position = np.random.default_rng(1).random(DEVICES, np.float32)
    whole = read(position, law, event=7)
    before = numba.get_num_threads()
    pieces = np.empty(DEVICES, np.uint16)
    try:
        numba.set_num_threads(1)
        for first, last in ((0, 12_345), (12_345, 12_346), (12_346, DEVICES)):
            read_range(position, first, pieces[first:last], law, event=7, seed=2)
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(whole, pieces)
    chosen = np.array([3, 99_999, 1024, 7, DEVICES - 1], np.uint32)
    assert np.array_equal(read_selected(position, chosen, law, event=7, seed=2), whole[chosen])
    assert not np.array_equal(read(position, law, event=8), whole)


def test_a_device_remembers_its_fluctuation_from_one_reading_to_the_next():
    electrical = Electrical(**ELECTRICAL, flicker=Flicker(hooge_um2=1e-9, area_um2=0.05, slowest_s=100.0))
    count = 2000
    contacts = Contacts(electrical, np.full(count, 0.5, np.float32), (1, 0))
    law = electrical.flicker
    assert law is not None

    def readings(start_s: float) -> np.ndarray:
        windows = Windows(start_s=start_s, period_s=1.0, window_s=0.02, count=1)
        loads = [contacts.load((device,), windows) for device in range(count)]
        return np.array([float(load.current_a(np.ones(1))[0]) for load in loads]) / 3e-4 - 1

    first, soon, late = readings(0.0), readings(0.02), readings(1e5)
    error = 4 / math.sqrt(count)
    variance = law.variance_of_reading(0.02)
    assert first.var() == pytest.approx(variance, rel=error * math.sqrt(2))
    # Side by side, two readings have the mean's variance of a double window; a long while later nothing is left.
    shared = 2 * law.variance_of_reading(0.04) - variance
    assert np.corrcoef(first, soon)[0, 1] == pytest.approx(shared / variance, abs=error)
    assert np.corrcoef(first, late)[0, 1] == pytest.approx(0, abs=error)
