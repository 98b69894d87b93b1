"""Whatever a step asks for, the chosen pulses are balanced and calibrated, and sufficient where they can be."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration import DeviceParameters, Estimate
from hil.pulses import LARGEST_COUNT, choose_pulses


def _about(value: float, unit: str = "track") -> Estimate:
    return Estimate(value=value, low=0.9 * value, high=1.1 * value, unit=unit)


def _parameters(asymmetry: float) -> DeviceParameters:
    mu_push, mu_pull = 4e-3, 4e-3 * asymmetry
    return DeviceParameters.model_validate(
        {
            "created": datetime(2026, 1, 1, tzinfo=UTC),
            "bench": "simulated",
            "library": "@domainwall",
            "route": "array",
            "amplitude_v": 1.5,
            "reference_width_s": 1e-6,
            "width_range_s": (1e-8, 2e-6),
            "mu_push": _about(mu_push),
            "mu_pull": _about(mu_pull),
            "variance_push": _about(2e-4 * mu_push),
            "variance_pull": _about(3e-4 * mu_pull),
            "fano_push": _about(2e-4),
            "fano_pull": _about(3e-4),
            "dtod_push": _about(0.08),
            "dtod_pull": _about(0.08),
            "read_noise": _about(2e-5),
            "conductance_low_s": _about(2e-4, "S"),
            "conductance_high_s": _about(4e-4, "S"),
            "proportionality_p": 0.5,
            "evenness_p": 0.5,
            "devices": 512,
            "cycles": 3,
            "pulses": 1000,
            "dropped_devices": 0,
            "dropped_runs": 0,
            "instruments": (),
            "raw_file": None,
            "raw_sha256": "0" * 64,
        }
    )


@given(
    asymmetry=st.floats(0.5, 2.0),
    weight_range=st.floats(1e-3, 10.0),
    scale_in_range=st.floats(0.0, 2.0),
    noise_in_range=st.floats(0.0, 0.1),
    bits=st.integers(2, 8),
)
def test_chosen_pulses(asymmetry: float, weight_range: float, scale_in_range: float, noise_in_range: float, bits: int):
    parameters = _parameters(asymmetry)
    largest_net = 2 ** (bits - 1) - 1
    full_scale, noise_variance = scale_in_range * weight_range, (noise_in_range * weight_range) ** 2
    pulses = choose_pulses(
        parameters,
        weight_range=weight_range,
        full_scale=full_scale,
        noise_variance=noise_variance,
        largest_net=largest_net,
    )
    shortest, longest = parameters.width_range_s
    for width_s in (pulses.push.width_s, pulses.pull.width_s):
        assert shortest <= width_s <= longest
    push, pull = parameters.step_at(pulses.push.width_s), parameters.step_at(pulses.pull.width_s)
    assert push.mu_push == pytest.approx(pull.mu_pull, rel=1e-9)
    assert pulses.lsb == pytest.approx(2 * weight_range * push.mu_push)
    assert pulses.push_variance == pytest.approx((2 * weight_range) ** 2 * push.variance_push)
    at_the_coarsest = math.isclose(max(pulses.push.width_s, pulses.pull.width_s), longest, rel_tol=1e-9)
    assert at_the_coarsest or full_scale <= largest_net * pulses.lsb * (1 + 1e-9)
    doublets = noise_variance / (pulses.push_variance + pulses.pull_variance)
    assert at_the_coarsest or doublets <= (LARGEST_COUNT - largest_net) * (1 + 1e-9)
