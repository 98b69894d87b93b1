"""Stochastic gradient Langevin dynamics in the canonical convention: mean loss, data count N, temperature T.

    w <- w - eta (grad L(w) + lambda w) + sqrt(2 eta T / N) xi,     xi ~ N(0, 1)

L is the mean loss of the data; lambda w is the gradient of a Gaussian prior. At T = 1 the stationary law is the
posterior exp(-N L - N lambda w^2 / 2) up to the error of a finite step; T < 1 sharpens it. Welling and Teh's step is
epsilon = 2 eta / N.

Source: Welling, Teh, "Bayesian learning via stochastic gradient Langevin dynamics", ICML 2011.

The sampler says what a step asks of every weight; who moves the weights, devices or floating-point numbers, is not its
business.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from drivers.errors import HilError
from hil.schedules import Schedule


class DivergedError(HilError):
    """The chain left the finite numbers. Nothing was fired; start again with a smaller step size."""


class Transform(NamedTuple):
    """The two functions of a sampler."""

    init: Callable[[], "State"]
    update: Callable[["State"], tuple["State", "Target"]]


def build(*, step_size: Schedule, temperature: Schedule, weight_decay: float, data_count: int) -> Transform:
    """Bind the hyper-parameters.

    Args:
        step_size: eta as a function of the step.
        temperature: T as a function of the step.
        weight_decay: lambda.
        data_count: N, the number of training examples.

    Raises:
        ValueError: if N is not positive or lambda is negative.
    """
    if data_count < 1:
        raise ValueError(f"data_count must be at least 1, not {data_count}")
    if weight_decay < 0:
        raise ValueError(f"weight_decay must not be negative, not {weight_decay}")
    bound = partial(
        update, step_size=step_size, temperature=temperature, weight_decay=weight_decay, data_count=data_count
    )
    return Transform(init, bound)


@dataclass(frozen=True, slots=True)
class State:
    """What the next step needs."""

    step: int
    """Steps finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a step asks of every weight.

    The drift is `-step_size * (gradient + weight_decay * weight)`.
    """

    step: int
    """Number of the step, from 0; keys its random numbers."""
    step_size: float
    temperature: float
    weight_decay: float
    noise_variance: float
    """2 eta T / N, weight units squared."""


def init() -> State:
    """Return the state before the first step."""
    return State(0)


def update(
    state: State, *, step_size: Schedule, temperature: Schedule, weight_decay: float, data_count: int
) -> tuple[State, Target]:
    """Return the next state and what this step asks for."""
    eta, heat = step_size(state.step), temperature(state.step)
    target = Target(
        step=state.step,
        step_size=eta,
        temperature=heat,
        weight_decay=weight_decay,
        noise_variance=2 * eta * heat / data_count,
    )
    return State(state.step + 1), target
