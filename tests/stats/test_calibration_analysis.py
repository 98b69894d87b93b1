"""What analyses say of walls that are known: numpy makes the shots, nothing of the simulator.

With fixed seeds, each number must lie within two half-widths of its interval, which is about 4 standard errors: a
right analysis fails one of the hundred odd comparisons here once in a hundred sets of seeds. `test_coverage` is slow:
it draws 200 experiments of each kind, and intervals must cover the truth in 90 to 99.5 % of them; at 95 % a number
fails that once in 200 times.
"""

import os
from typing import Any

import numpy as np
import pytest
from known_walls import (
    ALL,
    current_voltage,
    doublets,
    dwell,
    endurance,
    loop,
    noise,
    origin,
    read_disturb,
    retention,
    s_curve,
    staircase,
    walls,
    width_sweep,
)

from calibration.analysis import Findings, Verdict, analyse
from calibration.analysis.dwell import Stays, equal_devices, gather, one_barrier
from calibration.analysis.placed import place
from calibration.analysis.stays import poisson_rate
from calibration.experiment import SHOT, Experiment
from drivers.errors import ConfigError, DeviceFault

# Of a log-normal law with a spread of 5 % the mean lies by this above the median.
_MEAN = float(np.exp(0.05**2 / 2))

TRUTH: dict[str, dict[str, float]] = {
    "staircase": {
        "mu_push": 0.004 * _MEAN,
        "mu_pull": 0.004 * _MEAN,
        "variance_push": 8e-6,
        "variance_pull": 8e-6,
        "fano_push": 0.002,
        "fano_pull": 0.002,
        "dtod_push": 0.05,
        "dtod_pull": 0.05,
        "asymmetry": 0.0,
    },
    "doublets": {
        "mu_push": 0.004 * _MEAN,
        "variance_push": 8e-6,
        "variance_pull": 8e-6,
        "pair_variance": 8e-6,
        "rho": 0.5,
        "drift_per_pair": 0.0,
    },
    "width-sweep": {
        "velocity_push": 4000 * _MEAN,
        "velocity_pull": 4000 * _MEAN,
        "offset_push": 2e-4 * _MEAN,
        "offset_pull": 2e-4 * _MEAN,
    },
    "amplitude-sweep": {"depinning_push": 1.2, "depinning_pull": 1.2, "depinning_heat_push": 3000.0},
    "s-curve": {"delta": 30.0, "critical_v": 1.5},
    "dwell": {"mean_dwell_at_0.7_V": 2e-6},
    "i-v": {"tmr_0": 1.2, "half_v": 0.5, "conductance_0": 1e-4},
    "noise": {"gamma": 1.0},
    "retention": {"rate": 2e-4},
    "read-disturb": {"rate_at_0.1_V": 1e-6, "rate_at_0.3_V": 4e-4},
    "endurance": {"mu_push_first": 0.004 * _MEAN, "mu_push_change": -0.15, "mu_pull_change": -0.15},
}

# Fewer devices where a draw would take long.
SMALL: dict[str, dict[str, Any]] = {
    "staircase": {"devices": 20},
    "amplitude-sweep": {"devices": 20},
    "width-sweep": {"devices": 20},
    "s-curve": {"devices": 12},
    "noise": {"devices": 4, "readings": 1024},
    "endurance": {"devices": 15},
}


def draw(kind: str, seed: int, **more: Any) -> Experiment:
    return ALL[kind](np.random.default_rng(seed), **{**SMALL.get(kind, {}), **more})


def near(findings: Findings, name: str, truth: float) -> bool:
    one = findings.estimates[name]
    return one.value - 2 * (one.value - one.low) <= truth <= one.value + 2 * (one.high - one.value)


def check_of(findings: Findings, words: str) -> Verdict:
    (found,) = {check.verdict for check in findings.checks if words in check.claim}
    return found


@pytest.mark.parametrize("kind", TRUTH)
def test_numbers_are_those_that_the_walls_were_made_with(kind):
    findings = analyse(draw(kind, 3))
    assert [name for name, truth in TRUTH[kind].items() if not near(findings, name, truth)] == []
    assert findings.describes
    assert set(findings.labels) == set(findings.estimates)
    assert findings.as_json()["kind"] == kind


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", TRUTH)
def test_coverage(kind, capsys):
    draws = int(os.environ.get("COVERAGE_DRAWS", "200"))
    covered = dict.fromkeys(TRUTH[kind], 0)
    for seed in range(draws):
        findings = analyse(draw(kind, 1000 + seed))
        for name, truth in TRUTH[kind].items():
            covered[name] += findings.estimates[name].contains(truth)
    with capsys.disabled():
        print("".join(f"\n{kind:16s} {name:22s} {count / draws:.3f}" for name, count in covered.items()))
    exact_or_more = {"rate", "rate_at_0.1_V", "rate_at_0.3_V", "dtod_push", "dtod_pull", "half_v"}
    for name, count in covered.items():
        assert count >= 0.9 * draws, name
        assert name in exact_or_more or count <= 0.995 * draws, name


def test_the_pulls_may_be_weaker_than_the_pushes():
    findings = analyse(staircase(np.random.default_rng(4), devices=12, pull=0.9))
    assert near(findings, "asymmetry", 0.1 / 1.9)
    assert near(findings, "mu_pull", 0.9 * 0.004 * _MEAN)
    assert not findings.estimates["asymmetry"].contains(0.0)


def test_steps_that_depend_on_the_position_are_said_to():
    generator = np.random.default_rng(5)
    bench = walls(generator, devices=20, variance=2e-6)
    for cycle in range(3):
        bench.bring(0.2)
        for polarity in (1, -1):
            for _ in range(20):
                local = 4 * bench.mean * (0.6 + 0.8 * bench.position)
                bench.fire(polarity, pulses=4, cycle=cycle, step=generator.gamma(local / 5e-4, 5e-4))
    findings = analyse(bench.experiment("staircase"))
    assert check_of(findings, "early in a flight") is Verdict.FAILS
    assert not findings.describes
    assert any("depends on the position" in line for line in findings.wrong)


def test_steps_that_remember_the_one_before_are_said_to():
    generator = np.random.default_rng(6)
    bench = walls(generator, devices=20, noise=0.001)
    for cycle in range(3):
        bench.bring(0.25)
        for polarity in (1, -1):
            before = np.zeros(20)
            for _ in range(30):
                own = generator.normal(0, 0.004, 20)
                bench.fire(polarity, pulses=4, cycle=cycle, step=4 * bench.mean + own - 0.8 * before)
                before = own
    findings = analyse(bench.experiment("staircase"))
    assert check_of(findings, "step before") is Verdict.FAILS


def test_a_law_that_is_none_of_those_known_is_said_to_be_none():
    generator = np.random.default_rng(7)
    bench = walls(generator, devices=20, noise=0.001, spread=0.0)
    for cycle in range(3):
        bench.bring(0.25)
        for polarity in (1, -1):
            for _ in range(30):
                # Two kinds of steps, far apart.
                far = generator.random(20) < 0.5
                step = np.where(far, 0.024, 0.008) + generator.normal(0, 5e-4, 20)
                bench.fire(polarity, pulses=4, cycle=cycle, step=step)
    findings = analyse(bench.experiment("staircase"))
    assert check_of(findings, "law describes the steps, pushes") is Verdict.FAILS
    assert near(findings, "mu_push", 0.004)


def test_one_device_unlike_the_others_is_named():
    generator = np.random.default_rng(8)
    bench = walls(generator, devices=12, noise=0.001)
    for cycle in range(3):
        bench.bring(0.25)
        for polarity in (1, -1):
            for _ in range(30):
                step = generator.gamma(4 * bench.mean / 0.001, 0.001)
                step[5] = 0.016 if generator.random() < 0.5 else 0.015
                bench.fire(polarity, pulses=4, cycle=cycle, step=step)
    findings = analyse(bench.experiment("staircase"))
    assert any("not devices 22" in check.claim and check.verdict is Verdict.FAILS for check in findings.checks)


def test_flights_into_the_end_stop_are_censored():
    findings = analyse(staircase(np.random.default_rng(9), devices=20, steps=30, pulses=7))
    assert any("came to an end stop" in line for line in findings.notes)
    # To leave those flights out makes the mean step 14 % too short.
    assert any("most flights" in line for line in findings.wrong)
    assert near(findings, "mu_push", 0.004 * _MEAN)


def test_walls_that_never_move_are_left_out_and_named():
    experiment = staircase(np.random.default_rng(10), devices=8)
    shots = experiment.shots.copy()
    stuck = shots["device"] == 7
    shots["before_s"][stuck] = shots["after_s"][stuck] = 2e-4 + np.random.default_rng(0).normal(0, 5e-7, stuck.sum())
    shots["after_s"][np.flatnonzero(~stuck)[-3:]] = np.nan
    findings = analyse(Experiment(origin=experiment.origin, shots=shots))
    assert 7 not in findings.devices
    assert any("1 devices left out" in line and "(7)" in line for line in findings.wrong)
    assert any("3 shots left out" in line for line in findings.wrong)


def test_without_end_stops_displacements_are_in_siemens():
    generator = np.random.default_rng(11)
    bench = walls(generator, devices=10, ends=False)
    bench.last = bench.reading()
    for polarity in (1, -1):
        for _ in range(30):
            bench.fire(polarity, pulses=4)
    bench.read(16)
    findings = analyse(bench.experiment("imported"))
    assert findings.estimates["mu_push"].unit == "S"
    assert near(findings, "mu_push", 0.004 * _MEAN * 2e-4)
    assert any("end stops unknown" in line for line in findings.wrong)


def test_two_devices_give_intervals_over_pulses():
    findings = analyse(staircase(np.random.default_rng(12), devices=2, spread=0.0))
    assert near(findings, "mu_push", 0.004)
    assert any("intervals over pulses" in line for line in findings.notes)


@pytest.mark.parametrize("rho", [0.2, 1.0])
def test_rho_of_doublets(rho):
    findings = analyse(doublets(np.random.default_rng(13), rho=rho, pull=0.95))
    assert near(findings, "rho", rho)
    assert near(findings, "drift_per_pair", 0.05 * 0.004 * _MEAN)


def test_widths_in_proportion_are_told_from_a_straight_line():
    straight = analyse(width_sweep(np.random.default_rng(14), devices=20))
    assert check_of(straight, "straight line") is Verdict.HOLDS
    assert check_of(straight, "proportional to the width, pushes") is Verdict.FAILS
    assert straight.describes
    through_zero = analyse(width_sweep(np.random.default_rng(14), devices=20, offset=0.0))
    assert check_of(through_zero, "proportional to the width, pushes") is Verdict.HOLDS


def test_devices_with_different_critical_amplitudes():
    findings = analyse(s_curve(np.random.default_rng(15), spread=0.04, devices=20, shots=40))
    assert any("devices differ" in line for line in findings.notes)
    assert near(findings, "critical_v", 1.5)
    assert near(findings, "critical_spread", 0.04)
    assert near(findings, "delta", 30.0)


def test_a_curve_that_does_not_describe_its_points_is_said_not_to():
    right = analyse(s_curve(np.random.default_rng(25), devices=12))
    assert check_of(right, "one curve describes") is Verdict.HOLDS
    wrong = analyse(s_curve(np.random.default_rng(25), devices=12, longer_is_likelier=False))
    assert check_of(wrong, "one curve describes") is Verdict.FAILS
    assert not wrong.describes


def test_a_line_in_the_spectrum_of_one_device_among_many_is_said_to_be_there():
    right = analyse(noise(np.random.default_rng(26), devices=12, readings=1024))
    assert check_of(right, "the spectrum describes") is Verdict.HOLDS
    wrong = analyse(noise(np.random.default_rng(26), devices=12, readings=1024, mains_s=6e-7))
    assert check_of(wrong, "the spectrum describes") is Verdict.FAILS


def test_an_s_curve_without_switching_says_what_to_do():
    findings = analyse(s_curve(np.random.default_rng(16), critical=9.0, devices=4))
    assert findings.estimates == {}
    assert "measure larger currents" in findings.wrong[0]


def test_walls_that_did_not_leave_count_as_cut_off():
    """Leaving them out would make the mean 43 % too short; taking them for leavings, too short as well."""
    experiment = dwell(np.random.default_rng(17), most=30)
    stays = gather(place(experiment), experiment)
    assert 0.1 < 1 - stays.left.mean() < 0.4
    mean = one_barrier(stays)
    assert mean is not None
    assert mean.contains(2e-6)
    without = Stays(
        rounds=stays.rounds[stays.left],
        left=stays.left[stays.left],
        round_s=stays.round_s[stays.left],
        amplitude_v=stays.amplitude_v[stays.left],
        device=stays.device[stays.left],
    )
    dropped = one_barrier(without)
    assert dropped is not None
    assert dropped.high < 2e-6


def test_dwell_times_of_walls_that_leave_more_readily_with_time():
    findings = analyse(dwell(np.random.default_rng(18), shape=2.0, shots=20))
    assert check_of(findings, "one barrier") is Verdict.FAILS
    assert near(findings, "shape_at_0.7_V", 2.0)


def test_devices_with_different_dwell_times_are_found_and_equal_ones_are_not_accused():
    generator = np.random.default_rng(19)
    device = np.repeat(np.arange(30), 10)

    def stays(mean: np.ndarray) -> Stays:
        rounds = np.ceil(generator.exponential(mean[device])).astype(np.int64)
        return Stays(
            rounds=np.minimum(rounds, 40),
            left=rounds <= 40,
            round_s=np.full(300, 1e-7),
            amplitude_v=np.full(300, 0.7),
            device=device,
        )

    assert equal_devices(stays(np.where(np.arange(30) % 2, 30.0, 8.0)), 1) < 0.01
    accused = sum(equal_devices(stays(np.full(30, 20.0)), seed) < 0.05 for seed in range(60))
    # 3 expected of 60; 10 or more once in 2000 times.
    assert accused < 10


def test_no_wall_that_leaves_gives_a_bound_and_a_remedy():
    findings = analyse(dwell(np.random.default_rng(20), mean_s=1.0, devices=4, most=5))
    assert findings.estimates == {}
    assert "the mean dwell time is above" in findings.wrong[0]


def test_thresholds_either_way():
    findings = analyse(loop(np.random.default_rng(21), threshold=1.0))
    for name in ("threshold_push_rising", "threshold_push_falling", "threshold_pull_rising"):
        # The first steps beyond the threshold hide in the noise: a step or two of amplitude later they show.
        assert 1.0 - 0.05 < findings.estimates[name].value < 1.0 + 0.2
    assert check_of(findings, "same threshold") is Verdict.HOLDS


def test_a_sweep_of_small_voltages_does_not_tell_tmr_from_its_half_voltage():
    findings = analyse(current_voltage(np.random.default_rng(22), highest=0.05))
    assert "tmr_0" not in findings.estimates
    assert any("larger voltages" in line for line in findings.wrong)
    assert near(findings, "conductance_0", 1e-4)


def test_no_events_give_a_bound_that_covers():
    assert poisson_rate(0, 1000.0, "1/s").high == pytest.approx(2.9957e-3, rel=1e-4)
    three = poisson_rate(3, 1.0, "1")
    assert (three.low, three.high) == pytest.approx((0.6187, 8.7673), rel=1e-4)
    findings = analyse(retention(np.random.default_rng(23), rate=1e-9))
    assert findings.estimates["rate"].value == 0.0
    assert findings.estimates["rate"].high == pytest.approx(3.0 / 40_000, rel=0.01)
    disturbed = analyse(read_disturb(np.random.default_rng(24), rates=(1e-9, 1e-9)))
    assert disturbed.estimates["rate_at_0.3_V"].value == 0.0


def test_wear_is_found_and_its_absence_too():
    worn = analyse(endurance(np.random.default_rng(25), devices=20))
    assert check_of(worn, "stays as it was, pushes") is Verdict.FAILS
    assert worn.describes
    fresh = analyse(endurance(np.random.default_rng(25), devices=20, wear=0.0))
    assert check_of(fresh, "stays as it was, pushes") is Verdict.HOLDS
    assert near(fresh, "mu_push_change", 0.0)


def test_experiments_that_say_nothing_are_refused():
    empty = np.zeros(0, SHOT)
    for kind in ALL:
        with pytest.raises(DeviceFault):
            analyse(Experiment(origin=origin(kind), shots=empty))
    with pytest.raises(ConfigError, match="there is no analysis of 'tarot'"):
        analyse(Experiment(origin=origin("tarot"), shots=empty))


def test_imported_shots_are_analysed_by_what_varies_in_them():
    sweep = width_sweep(np.random.default_rng(26), devices=10)
    findings = analyse(Experiment(origin=origin("imported"), shots=sweep.shots))
    assert "velocity_push" in findings.estimates
