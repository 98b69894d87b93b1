"""The staircase as data: what will be done, before anything is done."""

from dataclasses import replace

import numpy as np
import pytest

from calibration.protocols import FirstLook, Price, StaircaseConfig, plan_staircase
from drivers.errors import ConfigError, LimitError
from drivers.protocols import Polarity

CONFIG = StaircaseConfig(
    widths_s=(20e-9, 1e-6), reference_width_s=1e-6, steps=10, cycles=2, span=0.4, pulses_per_step=500
)
PRICE = Price(pulses_per_message=255, messages_per_burst=7, messages_per_reading=3, message_s=1e-4)


def look(push: float = 4e-3, pull: float = 2e-3) -> FirstLook:
    return FirstLook(width_s=1e-6, push_step=np.full(3, push), pull_step=np.full(3, pull))


def plan(seed: int = 0, config: StaircaseConfig = CONFIG):
    return plan_staircase(config, look(), np.random.default_rng(seed))


def test_every_width_runs_once_in_every_cycle() -> None:
    runs = plan().runs
    assert sorted((run.cycle, run.width_index) for run in runs) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert all(run.width_s == CONFIG.widths_s[run.width_index] for run in runs)


def test_a_run_is_all_pushes_then_all_pulls() -> None:
    steps = list(plan().runs[0])
    assert [step.polarity for step in steps] == [Polarity.PUSH] * 10 + [Polarity.PULL] * 10
    assert [step.index for step in steps] == [*range(1, 11), *range(1, 11)]


def test_steps_are_sized_by_the_first_look_and_capped() -> None:
    long, short = (next(run for run in plan().runs if run.width_index == index) for index in (1, 0))
    # 0.4 of the track in 10 steps of 4e-3 (push) and 2e-3 (pull) a pulse; at a fiftieth of the width the cap holds.
    assert (long.push_pulses, long.pull_pulses) == (10, 20)
    assert (short.push_pulses, short.pull_pulses) == (500, 500)


def test_the_order_is_shuffled_by_the_seed_alone() -> None:
    config = replace(CONFIG, widths_s=(20e-9, 1e-7, 5e-7, 1e-6), cycles=6)
    assert plan(1, config) == plan(1, config)
    orders = {tuple(run.width_index for run in plan(1, config).runs if run.cycle == cycle) for cycle in range(6)}
    assert len(orders) > 1
    assert plan(1, config) != plan(2, config)


def test_the_cost_adds_up() -> None:
    cost = plan().cost(PRICE)
    pulses = 2 * 10 * (10 + 20 + 500 + 500)
    assert cost.pulses == pulses
    assert cost.readings == 2 * 2 * 21
    assert cost.messages == 7 * 2 * 10 * (1 + 1 + 2 + 2) + 3 * cost.readings
    assert cost.pulse_time_s == pytest.approx(2 * 10 * (30 * 1e-6 + 1000 * 20e-9))
    assert cost.time_s == pytest.approx(cost.pulse_time_s + cost.messages * 1e-4)


def test_a_pulse_too_long_for_a_staircase_is_refused() -> None:
    with pytest.raises(LimitError, match="steps do not fit"):
        plan_staircase(CONFIG, look(push=0.08), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"widths_s": ()}, "widths_s"),
        ({"widths_s": (1e-6, 1e-7)}, "widths_s"),
        ({"widths_s": (0.0, 1e-6)}, "widths_s"),
        ({"widths_s": (float("nan"), 1e-6)}, "widths_s"),
        ({"reference_width_s": 3e-6}, "reference_width_s"),
        ({"amplitude_v": -1.5}, "amplitude_v"),
        ({"amplitude_v": float("nan")}, "amplitude_v"),
        ({"devices": 2}, "devices"),
        ({"steps": 1}, "steps"),
        ({"cycles": 0}, "cycles"),
        ({"span": 0.9}, "span"),
        ({"margin": 0.0}, "margin"),
        ({"pulses_per_step": 0}, "pulses_per_step"),
        ({"end_reads": 1}, "end_reads"),
        ({"rest_reads": 1}, "rest_reads"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(change: dict[str, object], place: str) -> None:
    with pytest.raises(ConfigError, match=place):
        replace(CONFIG, **change)
