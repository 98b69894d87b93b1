"""Who keeps and moves the weights of the device layers: what the training loop asks of either store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from hil.mapping import in_device_order
from hil.sgld import Target
from hil.telemetry import LayerStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What a store has done so far."""

    pulses: int
    """Pulses delivered."""
    energy_j: float
    """Their energy, as the controller reports it."""
    infeasible_fraction: float
    """Of the last step, over all devices."""
    clipped_fraction: float
    saturated_fraction: float
    end_stop_fraction: float
    """Devices within one part in a thousand of an end of their range at the last read-out."""
    open_devices: int
    """Devices that are masked because their read path is open."""
    short_devices: int
    """Devices that are masked because their read path is short."""


class WeightStore(Protocol):
    """Keeps the weights of the device layers between steps."""

    def initialise(self) -> None:
        """Bring the store to the model's present weights."""
        ...

    def load(self) -> None:
        """Put the weights as they are into the model."""
        ...

    def compile(self, target: Target) -> None:
        """Work out the update from the gradients in the model. Moves nothing."""
        ...

    def fire(self) -> None:
        """Carry out the compiled update, once. Moves the walls, if there are any."""
        ...

    def layer_steps(self) -> list[LayerStep]:
        """Return what the last step did to each layer; empty if there are no devices."""
        ...

    def update_sample(self) -> np.ndarray | None:
        """Return requested and achieved changes of a sample of weights in the step before last read, if known."""
        ...

    def totals(self) -> Totals:
        """Return what has been done so far."""
        ...


def langevin_step(parameters: Sequence[nn.Parameter], target: Target, *, seed: int) -> None:
    """Move floating-point parameters by one ideal Langevin step, in place.

    Args:
        parameters: with gradients; each in channels-last or contiguous memory.
        target: drift and noise.
        seed: with the step, keys the noise.
    """
    if not parameters:
        return
    generator = torch.Generator(parameters[0].device)
    generator.manual_seed(int(np.random.SeedSequence([seed, target.step]).generate_state(1, np.uint64)[0] >> 1))
    scale = target.noise_variance**0.5
    noise = torch.empty(max(parameter.numel() for parameter in parameters))
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is None:
                continue
            # As they lie in memory: torch draws normal numbers three times slower into permuted tensors.
            values, gradient = in_device_order(parameter), in_device_order(parameter.grad)
            values.mul_(1 - target.step_size * target.weight_decay).add_(gradient, alpha=-target.step_size)
            if scale > 0:
                values.add_(noise[: values.numel()].normal_(generator=generator), alpha=scale)


class DigitalWeights:
    """Floating-point weights moved by ideal SGLD: no bench, no pulses."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], *, seed: int) -> None:
        self._parameters = list(parameters.values())
        self._seed = seed
        self._target: Target | None = None

    def initialise(self) -> None:
        """Do nothing: the model holds the weights."""

    def load(self) -> None:
        """Do nothing: the model holds the weights."""

    def compile(self, target: Target) -> None:
        """Keep the target."""
        self._target = target

    def fire(self) -> None:
        """Take the step."""
        if self._target is None:
            raise RuntimeError("fire() before compile()")
        langevin_step(self._parameters, self._target, seed=self._seed)
        self._target = None

    def layer_steps(self) -> list[LayerStep]:
        """Return nothing: there are no devices."""
        return []

    def update_sample(self) -> np.ndarray | None:
        """Return None: there are no devices."""
        return None

    def totals(self) -> Totals:
        """Return zeros."""
        return Totals(
            pulses=0,
            energy_j=0.0,
            infeasible_fraction=0.0,
            clipped_fraction=0.0,
            saturated_fraction=0.0,
            end_stop_fraction=0.0,
            open_devices=0,
            short_devices=0,
        )
