"""Experiments as data: what they do in which order, what they cost, and what they refuse."""

import itertools
from collections import Counter
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pytest

from calibration.protocols import (
    PROTOCOLS,
    AmplitudeSweep,
    Bring,
    Bringing,
    CurrentVoltage,
    Doublets,
    Dwell,
    Endurance,
    Fire,
    FireUntilMoved,
    Noise,
    Phase,
    Price,
    Read,
    ReadDisturb,
    Retention,
    RJLoop,
    Route,
    SCurve,
    Staircase,
    Sweep,
    Wait,
    WidthSweep,
    protocol_from,
)
from calibration.protocols.cost import Tariff
from drivers.errors import ConfigError
from drivers.protocols import Polarity
from hil.cli.characterize import EXPERIMENTS

PUSH, PULL = Polarity.PUSH, Polarity.PULL
WITHOUT_PULSES = {"i-v", "noise"}


def actions_of(protocol: Any, seed: int = 0) -> list[Any]:
    return list(protocol.actions(np.random.default_rng(seed)))


def fired(protocol: Any, seed: int = 0) -> list[Fire]:
    return [
        action
        for action in actions_of(protocol, seed)
        if isinstance(action, Fire) and action.phase is Phase.MEASUREMENT
    ]


def test_the_command_line_offers_every_experiment():
    assert tuple(PROTOCOLS) == EXPERIMENTS


@pytest.mark.parametrize("kind", PROTOCOLS)
def test_the_same_seed_gives_the_same_actions_and_settings_come_back_from_json(kind: str):
    protocol: Any = PROTOCOLS[kind]()
    assert protocol.kind == kind
    assert actions_of(protocol, 3) == actions_of(protocol, 3)
    settings = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(protocol).items()}
    assert protocol_from(kind, settings) == protocol


@pytest.mark.parametrize("kind", sorted(set(PROTOCOLS) - WITHOUT_PULSES))
def test_whoever_needs_positions_begins_at_rest_and_at_both_ends(kind: str):
    first = actions_of(PROTOCOLS[kind]())[:3]
    assert isinstance(first[0], Read)
    assert first[0].phase is Phase.REST
    assert [action.place for action in first[1:]] == [1.0, 0.0]


@pytest.mark.parametrize("kind", sorted(WITHOUT_PULSES))
def test_experiments_without_pulses_fire_none(kind: str):
    assert not [a for a in actions_of(PROTOCOLS[kind]()) if isinstance(a, Fire | FireUntilMoved | Bring)]


def test_a_staircase_goes_up_and_down_in_each_cycle():
    protocol = Staircase(steps=3, cycles=2, pulses=5)
    shots = fired(protocol)
    assert [shot.polarity for shot in shots] == ([PUSH] * 3 + [PULL] * 3) * 2
    assert [shot.cycle for shot in shots] == [0] * 6 + [1] * 6
    assert {shot.pulses for shot in shots} == {5}
    assert [a.place for a in actions_of(protocol) if isinstance(a, Bring)][2:] == [0.25, 0.25]


def test_doublets_alternate_at_every_place():
    protocol = Doublets(pairs=4, trains=2, places=(0.3, 0.6))
    shots = fired(protocol)
    assert [shot.polarity for shot in shots] == [PUSH, PULL] * 16
    places = [a.place for a in actions_of(protocol) if isinstance(a, Bring)][2:]
    assert Counter(places) == {0.3: 2, 0.6: 2}
    assert sorted({shot.cycle for shot in shots}) == [0, 1, 2, 3]


def test_sweeps_shuffle_and_give_every_setting_as_often():
    amplitudes = fired(AmplitudeSweep(cycles=4, steps=2))
    assert set(Counter((s.amplitude_v, s.polarity) for s in amplitudes).values()) == {8}
    orders = {tuple(s.amplitude_v for s in amplitudes if s.cycle == cycle and s.polarity is PUSH) for cycle in range(4)}
    assert len(orders) > 1
    widths = fired(WidthSweep(cycles=1, steps=2, step_time_s=4e-6, most_pulses=60))
    assert {(s.width_s, s.pulses) for s in widths} >= {(50e-9, 60), (100e-9, 40), (1e-6, 4), (2e-6, 2)}


def test_s_curve_shots_are_single_pulses_each_after_bringing_in_random_order():
    protocol = SCurve(shots=3, amplitudes_v=(0.6, 0.7, 0.8, 0.9), polarity=PULL)
    actions = actions_of(protocol)[3:]
    assert all(isinstance(action, Bring) for action in actions[::2])
    shots = actions[1::2]
    assert all(shot.pulses == 1 and shot.polarity is PULL for shot in shots)
    assert set(Counter((shot.amplitude_v, shot.width_s) for shot in shots).values()) == {3}
    assert [s.amplitude_v for s in shots[:8]] != [s.amplitude_v for s in shots[8:16]]
    assert fired(protocol, 1) != fired(protocol, 2)


def test_a_dwell_time_has_a_time_out():
    waits = [a for a in actions_of(Dwell(shots=4, amplitudes_v=(0.7, 0.8))) if isinstance(a, FireUntilMoved)]
    assert len(waits) == 8
    assert {wait.most_rounds for wait in waits} == {100}


def test_the_loop_rises_falls_and_turns_its_sign():
    shots = fired(RJLoop(lowest_v=0.5, highest_v=1.5, points=3, loops=1))
    assert [(s.polarity, s.amplitude_v) for s in shots] == [
        *((PUSH, v) for v in (0.5, 1.0, 1.5, 1.0, 0.5)),
        *((PULL, v) for v in (0.5, 1.0, 1.5, 1.0, 0.5)),
    ]


def test_i_v_has_no_zero_and_turns_round():
    first, second = actions_of(CurrentVoltage(points=4, highest_v=0.2, sweeps=2))
    assert isinstance(first, Sweep)
    assert first.voltages_v == pytest.approx((-0.2, -0.1, 0.1, 0.2))
    assert second.voltages_v == first.voltages_v[::-1]


def test_noise_and_retention_are_measurements_without_pulses():
    (series,) = actions_of(Noise(readings=100, interval_s=0.5))
    assert (series.times, series.interval_s, series.phase) == (100, 0.5, Phase.MEASUREMENT)
    actions = actions_of(Retention(first_s=1.0, last_s=100.0, points=3))[3:]
    assert [a.seconds for a in actions if isinstance(a, Wait)] == pytest.approx([1.0, 9.0, 90.0])
    assert sum(isinstance(a, Read) for a in actions) == 4


def test_read_disturb_has_references_on_both_sides():
    reads = [a for a in actions_of(ReadDisturb(voltages_v=(0.1, 0.2), readings=50)) if isinstance(a, Read)][1:]
    assert [r.phase for r in reads] == [Phase.REST, Phase.MEASUREMENT, Phase.REST] * 2
    assert {r.voltage_v for r in reads if r.phase is Phase.MEASUREMENT} == {0.1, 0.2}


def test_endurance_reaches_its_last_checkpoint():
    protocol = Endurance(first=100, last=1000, checkpoints=3, burst=50, steps=2)
    stress = [a for a in actions_of(protocol) if isinstance(a, Fire) and a.phase is Phase.PREPARATION]
    assert sum(a.pulses for a in stress if a.polarity is PUSH) == 1000
    assert sum(a.pulses for a in stress if a.polarity is PULL) == 1000
    assert [sum(a.pulses for a in stress if a.cycle <= c and a.polarity is PUSH) for c in range(4)] == [
        0, 100, 300, 1000,
    ]  # fmt: skip
    assert sorted({s.cycle for s in fired(protocol)}) == [0, 1, 2, 3]


TARIFF = Tariff(
    price=Price(pulses_per_message=255, messages_per_burst=7, messages_per_reading=3, message_s=1e-3),
    resistance_ohm=2000.0,
    devices=10,
    repeats=1,
    reads_in_series=False,
)


def test_the_cost_of_a_shot():
    shot = Fire(polarity=PUSH, amplitude_v=2.0, width_s=1e-6, pulses=300)
    cost = TARIFF.of([shot])
    assert cost.least == cost.most
    assert (cost.least.pulses, cost.least.readings, cost.least.messages) == (300, 1, 17)
    assert cost.least.time_s == pytest.approx(17e-3 + 300e-6)
    assert cost.least.energy_j == pytest.approx(300 * 10 * 1e-6 * 4 / 2000)


def test_what_nobody_knows_before_is_a_range():
    wait = FireUntilMoved(polarity=PUSH, amplitude_v=1.0, width_s=1e-6, pulses=2, most_rounds=50, moved=0.01)
    cost = TARIFF.of([wait, Bring(place=0.5, how=Bringing(burst=10, most_rounds=4))])
    assert (cost.least.pulses, cost.most.pulses) == (2, 140)
    assert (cost.least.readings, cost.most.readings) == (1, 54)


def test_pauses_and_paced_readings_take_their_time():
    cost = TARIFF.of([Wait(seconds=60.0), Read(times=100, interval_s=0.5)])
    assert cost.least.time_s == pytest.approx(110.0)
    wired = replace(TARIFF, repeats=4, reads_in_series=True)
    assert wired.of([Read(times=100)]).least.messages == 12


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("steps", {}, "there is no experiment 'steps'; there are staircase"),
        ("staircase", {"pulse": 3}, "no setting 'pulse'; it has amplitude_v"),
        ("staircase", {"pulses": "many"}, "pulses = 'many'"),
        ("staircase", {"pulses": 0}, "pulses = 0: at least 1"),
        ("staircase", {"amplitude_v": -1.0}, "magnitude above zero"),
        ("staircase", {"width_s": 0.0}, "width is above zero"),
        ("staircase", {"start": 1.0}, "between the end stops"),
        ("staircase", {"bringing": {"speed": 1}}, "bringing.speed"),
        ("staircase", {"bringing": {"end_reads": 1}}, "end_reads = 1: at least 4"),
        ("doublets", {"places": ()}, "at least one place"),
        ("amplitude-sweep", {"amplitudes_v": ()}, "at least one amplitude"),
        ("width-sweep", {"step_time_s": 0.0}, "step_time_s"),
        ("s-curve", {"moved": 0.7}, "moved = 0.7"),
        ("dwell", {"moved": 0.0}, "moved = 0"),
        ("r-j-loop", {"lowest_v": 2.5}, "lowest_v must lie below"),
        ("i-v", {"points": 5}, "an even number"),
        ("noise", {"interval_s": -1.0}, "interval_s"),
        ("retention", {"first_s": 0.0}, "first_s"),
        ("read-disturb", {"voltages_v": (0.0,)}, "0 V tells no conductance"),
        ("endurance", {"first": 20_000}, "first must lie below last"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_name(kind: str, settings: dict[str, Any], words: str):
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        protocol_from(kind, settings)


def test_every_setting_says_what_it_is():
    import ast
    import inspect

    for protocol in PROTOCOLS.values():
        body = ast.parse(inspect.getsource(protocol)).body[0].body  # type: ignore[attr-defined]
        told = {
            one.target.id
            for one, after in itertools.pairwise(body)
            if isinstance(one, ast.AnnAssign) and isinstance(after, ast.Expr)
        }
        assert {field.name for field in fields(protocol)} <= told


def test_only_i_v_needs_the_bench():
    assert {kind for kind, protocol in PROTOCOLS.items() if Route.ARRAY not in protocol.routes} == {"i-v"}
