"""The ideal Langevin step that devices are compared with."""

import numpy as np
import pytest
import torch
from torch import nn

from hil.sgld import Target
from hil.weights import DigitalWeights, langevin_step


def _target(step: int = 0, noise_variance: float = 0.0) -> Target:
    return Target(step=step, step_size=0.5, temperature=1.0, weight_decay=0.1, noise_variance=noise_variance)


def _parameter(*shape: int) -> nn.Parameter:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    layout = torch.channels_last if len(shape) == 4 else torch.contiguous_format
    parameter = nn.Parameter(values.contiguous(memory_format=layout))
    parameter.grad = torch.randn(shape, generator=torch.Generator().manual_seed(4))
    return parameter


@pytest.mark.parametrize("shape", [(5,), (4, 6), (4, 3, 5, 5)])
def test_without_noise_the_step_is_gradient_descent_with_decay(shape: tuple[int, ...]):
    parameter = _parameter(*shape)
    assert parameter.grad is not None
    expected = parameter.detach() - 0.5 * (parameter.grad + 0.1 * parameter.detach())
    langevin_step([parameter], _target(), seed=1)
    torch.testing.assert_close(parameter.detach(), expected)


def test_the_noise_has_the_stated_variance_and_is_keyed_by_seed_and_step():
    def noise(step: int, seed: int) -> np.ndarray:
        parameter = nn.Parameter(torch.zeros(200_000))
        parameter.grad = torch.zeros(200_000)
        langevin_step([parameter], _target(step, noise_variance=0.04), seed=seed)
        return parameter.detach().numpy()

    one = noise(0, 1)
    assert one.var() == pytest.approx(0.04, rel=4 * np.sqrt(2 / one.size))
    assert np.array_equal(one, noise(0, 1))
    for other in (noise(1, 1), noise(0, 2)):
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(one.size)


def test_each_parameter_gets_noise_of_its_own():
    pair = [nn.Parameter(torch.zeros(1000)) for _ in range(2)]
    for parameter in pair:
        parameter.grad = torch.zeros(1000)
    langevin_step(pair, _target(noise_variance=1.0), seed=1)
    assert not torch.equal(pair[0], pair[1])


def test_the_stationary_law_on_a_quadratic_is_that_of_langevin_dynamics():
    """Variance (T / N k) / (1 - eta k / 2) on U = k w^2 / 2: 4000 chains of 200 steps, 4 standard errors."""
    chains, curvature, step_size, noise_variance = 4000, 1.0, 0.5, 0.02
    expected = noise_variance / (2 * step_size * curvature) / (1 - step_size * curvature / 2)
    weights = nn.Parameter(torch.randn(chains, generator=torch.Generator().manual_seed(1)) * expected**0.5)
    for step in range(200):
        weights.grad = curvature * weights.detach()
        target = Target(
            step=step, step_size=step_size, temperature=1.0, weight_decay=0.0, noise_variance=noise_variance
        )
        langevin_step([weights], target, seed=7)
    values = weights.detach().double()
    assert float(values.var()) == pytest.approx(expected, rel=4 * np.sqrt(2 / chains))
    assert abs(float(values.mean())) < 4 * np.sqrt(expected / chains)


def test_firing_before_compiling_is_refused():
    with pytest.raises(RuntimeError, match="compile"):
        DigitalWeights({}, seed=1).fire()
