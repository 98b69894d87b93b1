"""Which weight lives on which device, and what a wall's position means as a weight.

Weights of convolutions and of fully connected layers live on devices, one each; biases and batch normalisation stay
digital. Layer after layer follows in the array, each from the start of a row of 1024 devices. A wall at fraction x of
its track is the weight `range * (2 x - 1)`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from hil.kernels.random_words import BLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLayer:
    """The weights of one layer on their devices."""

    name: str
    """Name of the parameter in the model."""
    shape: tuple[int, ...]
    """Shape of the parameter."""
    first: int
    """First device."""
    weight_range: float
    """Weight of a wall at the push end; the pull end is its negative."""

    @property
    def devices(self) -> int:
        """Return the number of devices."""
        return math.prod(self.shape)

    @property
    def stop(self) -> int:
        """Return one past the last device."""
        return self.first + self.devices


def map_layers(model: nn.Module, *, range_sigmas: float) -> tuple[DeviceLayer, ...]:
    """Place the weights of a freshly initialised model on devices.

    Args:
        model: its parameters must still have their initial values: they set the range of each layer.
        range_sigmas: half the weight range in standard deviations of the initial weights of the layer.

    Returns:
        The layers in the order of the model, each on rows of its own.
    """
    layers: list[DeviceLayer] = []
    first = 0
    for module_name, module in model.named_modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        weight = module.weight.detach()
        weight_range = range_sigmas * float(weight.std())
        layer = DeviceLayer(
            name=f"{module_name}.weight", shape=tuple(weight.shape), first=first, weight_range=weight_range
        )
        layers.append(layer)
        first = math.ceil(layer.stop / BLOCK) * BLOCK
    return tuple(layers)


def rows(devices: int) -> int:
    """Return the rows of 1024 devices that so many devices occupy."""
    return math.ceil(devices / BLOCK)


def in_device_order(tensor: Tensor) -> Tensor:
    """Return a parameter's or a gradient's numbers in the order of their devices: as they lie in channels-last memory.

    A view if the tensor lies in that order, else a copy.
    """
    tensor = tensor.detach()
    if tensor.dim() == 4:
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.reshape(-1)


def shared_with_numpy(parameter: Tensor) -> NDArray[np.float32]:
    """Return a parameter's own memory in device order, float32.

    Raises:
        ValueError: if the parameter is not on the CPU or does not lie in channels-last order.
    """
    flat = in_device_order(parameter)
    if flat.device.type != "cpu" or flat.data_ptr() != parameter.data_ptr():
        raise ValueError(
            f"parameter of shape {tuple(parameter.shape)} does not lie in device order in the CPU's memory"
        )
    return flat.numpy()
