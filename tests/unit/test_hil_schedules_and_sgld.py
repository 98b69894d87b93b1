"""Schedules and the sampler's convention."""

import math

import pytest

from hil import sgld
from hil.schedules import constant, ramp, warmup_cosine


def test_warmup_rises_to_the_peak_and_the_cosine_ends_at_the_final_value():
    schedule = warmup_cosine(0.4, warmup_steps=4, total_steps=12, final=0.1)
    assert [schedule(step) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    assert schedule(8) == pytest.approx(0.25)
    assert schedule(12) == pytest.approx(0.1)
    assert schedule(99) == pytest.approx(0.1)


def test_ramp_reaches_both_ends():
    schedule = ramp(1.0, 0.2, total_steps=5)
    assert [schedule(0), schedule(2), schedule(4), schedule(50)] == pytest.approx([1.0, 0.6, 0.2, 0.2])


def test_noise_variance_is_two_eta_t_over_n():
    sampler = sgld.build(step_size=constant(0.5), temperature=constant(0.01), weight_decay=5e-4, data_count=50_000)
    state, target = sampler.update(sampler.init())
    assert target.noise_variance == pytest.approx(2 * 0.5 * 0.01 / 50_000)
    assert math.sqrt(target.noise_variance / 0.01) == pytest.approx(4.5e-3, rel=0.01)  # the published figure at T = 1
    assert (target.step, state.step) == (0, 1)


@pytest.mark.parametrize(("data_count", "weight_decay"), [(0, 0.0), (10, -1.0)])
def test_senseless_hyper_parameters_are_refused(data_count: int, weight_decay: float):
    with pytest.raises(ValueError, match=r"data_count|weight_decay"):
        sgld.build(step_size=constant(1), temperature=constant(1), weight_decay=weight_decay, data_count=data_count)
