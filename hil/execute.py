"""Weights on devices: the only caller of the array's programming verbs during training.

The weights a model sees are the array's read-out, never a digital copy of what was sent; those of masked devices are 0.
Every update is compiled, journalled, fired once and confirmed by the controller's own count.
"""

from collections.abc import Callable, Mapping
from typing import final

import numpy as np
from numpy.typing import NDArray
from torch import nn

from calibration import DeviceParameters, health_bounds
from drivers.errors import ConfigError, InstrumentError
from drivers.protocols import ArrayProgrammer
from hil.health import HealthWatch
from hil.journal import Journal
from hil.kernels.compile_update import decode, write_drift
from hil.mapping import DeviceLayer, in_device_order, rows, shared_with_numpy
from hil.pulses import CompiledLayer, choose_pulses, compile_layer
from hil.sgld import DivergedError, Target
from hil.telemetry import UPDATE_SAMPLE, LayerStep
from hil.weights import Totals

SAMPLED_PER_LAYER = 64
"""Weights per layer whose requested and achieved changes are followed."""

_WRITE_ROUNDS = 2  # the second corrects the noise of the first; a third gains nothing on the rounding of the second
_WRITE_NET = 200  # net pulses of the longest move
_WRITE_STEP = 1 << 40  # keys the rounding of initial programming apart from that of training steps
_AT_END = 1e-3


@final
class DeviceWeights:
    """The weights of the device layers, kept by walls.

    Args:
        array: the controller; its output must be on before `initialise` and `fire`.
        layers: where each layer's weights are.
        parameters: the model's parameters by layer name; on the CPU, in channels-last memory.
        devices: what calibration knows of the devices.
        journal: where intents go before they are fired.
        bits: update precision B.
        seed: of the stochastic rounding.
        largest_bad_share: of all weights, whose devices may be open or short.
        warn: told in words of devices that are masked.

    Raises:
        ConfigError: if the array has too few devices.
    """

    def __init__(
        self,
        array: ArrayProgrammer,
        layers: tuple[DeviceLayer, ...],
        parameters: Mapping[str, nn.Parameter],
        devices: DeviceParameters,
        journal: Journal,
        *,
        bits: int,
        seed: int,
        largest_bad_share: float = 0.05,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._span = layers[-1].stop
        if array.device_count < self._span:
            raise ConfigError(
                f"{self._span} devices are needed, {array.name} has {array.device_count}: "
                "use a larger array or a smaller model"
            )
        self._array = array
        self._layers = layers
        self._parameters = [parameters[layer.name] for layer in layers]
        self._weights = [shared_with_numpy(parameter) for parameter in self._parameters]
        self._devices = devices
        self._journal = journal
        self._largest_net = 2 ** (bits - 1) - 1
        self._seed = seed
        self._push = np.zeros(self._span, np.uint8)
        self._pull = np.zeros(self._span, np.uint8)
        self._tag = array.last_tag()
        self._compiled: list[CompiledLayer] = []
        self._noise_variance = 0.0
        self._target: Target | None = None
        self._pulses = 0
        self._sample = _UpdateSample(layers, seed)
        bounds = health_bounds(devices, array.conductance_scale)
        self._health = HealthWatch(array, layers, bounds, largest_bad_share=largest_bad_share, warn=warn)

    def initialise(self) -> None:
        """Program the model's present weights into the array, then load what the walls took on. Moves the walls.

        Raises:
            DeviceFault: if too many devices are bad.
        """
        self._health.warn_of_blindness()
        wanted = [weights.copy() for weights in self._weights]
        for round_ in range(_WRITE_ROUNDS):
            self.load()
            self._compiled = []
            for index, weights in enumerate(self._weights):
                error = wanted[index] - weights
                error[self._health.masked[index]] = 0.0
                self._compile(
                    index, error, float(np.abs(error).max(initial=0.0)), 0.0, _WRITE_NET, _WRITE_STEP + round_
                )
            self._fire(step=0, purpose="initial weights")
        self._compiled = []

    def load(self) -> None:
        """Read the array and put the weights into the model, 0 for masked devices.

        Raises:
            DeviceFault: if too many devices are bad.
        """
        codes = self._array.read_codes(0, self._span)
        scale = self._array.conductance_scale
        low, high = self._devices.conductance_low_s.value, self._devices.conductance_high_s.value
        bounds, outside = self._health.bounds, []
        for layer, weights in zip(self._layers, self._weights, strict=True):
            per_siemens = 2 * layer.weight_range / (high - low)
            offset = (scale.offset_s - low) * per_siemens - layer.weight_range
            of_layer, per_code = codes[layer.first : layer.stop], scale.lsb_s * per_siemens
            outside.append(decode(of_layer, per_code, offset, weights, bounds.open_below, bounds.short_above))
        if self._health.is_news(outside):
            self._health.examine(codes)
        for weights, masked in zip(self._weights, self._health.masked, strict=True):
            weights[masked] = 0.0
        self._sample.read(self._weights)

    def compile(self, target: Target) -> None:
        """Turn the gradients in the model into pulse counts. Moves nothing.

        Raises:
            DivergedError: if a gradient is not finite.
        """
        self._compiled = []
        self._target = None
        for index, parameter in enumerate(self._parameters):
            if parameter.grad is None:
                raise ValueError(f"{self._layers[index].name} has no gradient: run backward() first")
            drift = in_device_order(parameter.grad).contiguous().numpy()
            drift[self._health.masked[index]] = 0.0
            peaks = np.empty(rows(len(drift)), np.float32)
            write_drift(drift, drift, self._weights[index], target.step_size, target.weight_decay, peaks)
            if not np.isfinite(peaks).all():
                raise DivergedError(
                    f"the gradient of {self._layers[index].name} is not finite in step {target.step + 1}"
                )
            self._sample.request(index, drift)
            self._compile(index, drift, float(peaks.max()), target.noise_variance, self._largest_net, target.step)
        self._target = target

    def fire(self) -> None:
        """Journal the compiled update, fire it once and confirm its delivery. Moves the walls.

        Raises:
            InstrumentError: if the controller did not deliver what was sent.
        """
        if self._target is None:
            raise RuntimeError("fire() before compile()")
        target, self._target = self._target, None  # whatever happens now, this update is never fired again
        self._fire(step=target.step + 1, purpose="update")

    def layer_steps(self) -> list[LayerStep]:
        """Return what the last update did to each layer."""
        steps = []
        for index, compiled in enumerate(self._compiled):
            steps.append(
                LayerStep(
                    push=compiled.push_pulses,
                    pull=compiled.pull_pulses,
                    infeasible=compiled.infeasible,
                    clipped=compiled.clipped,
                    saturated=compiled.saturated,
                    requested_rms=self._sample.requested_rms(index),
                    achieved_rms=self._sample.achieved_rms(index),
                    variance_ratio=compiled.variance / self._noise_variance if self._noise_variance > 0 else None,
                    lsb=compiled.pulses.lsb,
                    width_s=compiled.pulses.push.width_s,
                )
            )
        return steps

    def update_sample(self) -> NDArray[np.void] | None:
        """Return requested and achieved changes of the sampled weights in the last update that has been read back."""
        return self._sample.newest

    def totals(self) -> Totals:
        """Return pulses and energy so far, and the fractions of the last update."""
        devices = sum(layer.devices for layer in self._layers)

        def over_all(fraction: Callable[[CompiledLayer], float]) -> float:
            return sum(fraction(compiled) * compiled.layer.devices for compiled in self._compiled) / devices

        return Totals(
            pulses=self._pulses,
            energy_j=self._array.energy_j(),
            infeasible_fraction=over_all(lambda compiled: compiled.infeasible),
            clipped_fraction=over_all(lambda compiled: compiled.clipped),
            saturated_fraction=over_all(lambda compiled: compiled.saturated),
            end_stop_fraction=self._sample.end_stop_fraction(self._layers),
            open_devices=self._health.open_devices,
            short_devices=self._health.short_devices,
        )

    def _compile(
        self,
        index: int,
        drift: NDArray[np.float32],
        full_scale: float,
        noise_variance: float,
        largest_net: int,
        step: int,
    ) -> None:
        layer = self._layers[index]
        self._noise_variance = noise_variance
        pulses = choose_pulses(
            self._devices,
            weight_range=layer.weight_range,
            full_scale=full_scale,
            noise_variance=noise_variance,
            largest_net=largest_net,
        )
        self._compiled.append(
            compile_layer(
                layer,
                drift,
                pulses,
                noise_variance=noise_variance,
                largest_net=largest_net,
                step=step,
                seed=self._seed,
                push=self._push[layer.first : layer.stop],
                pull=self._pull[layer.first : layer.stop],
                masked=self._health.masked[index],
            )
        )

    def _fire(self, *, step: int, purpose: str) -> None:
        push = sum(compiled.push_pulses for compiled in self._compiled)
        pull = sum(compiled.pull_pulses for compiled in self._compiled)
        intent = self._journal.intend(step, purpose, self._tag + 1, self._tag + len(self._compiled), push, pull)
        delivered_push = delivered_pull = 0
        for compiled in self._compiled:
            self._tag += 1
            self._array.set_pulses(compiled.pulses.push, compiled.pulses.pull)
            delivery = self._array.program(compiled.layer.first, compiled.push, compiled.pull, tag=self._tag)
            delivered_push += delivery.push_pulses
            delivered_pull += delivery.pull_pulses
        self._journal.settle(intent, delivered_push, delivered_pull)
        self._pulses += delivered_push + delivered_pull
        if (delivered_push, delivered_pull) != (push, pull):
            raise InstrumentError(
                f"{self._array.name} delivered {delivered_push} pushes and {delivered_pull} pulls "
                f"instead of {push} and {pull}; never send them again: read the array"
            )


@final
class _UpdateSample:
    """Follows the same few weights of every layer from request to read-out."""

    def __init__(self, layers: tuple[DeviceLayer, ...], seed: int) -> None:
        generator = np.random.default_rng([seed, 3])
        self._places = [generator.integers(0, layer.devices, SAMPLED_PER_LAYER) for layer in layers]
        self._requested: list[NDArray[np.float32] | None] = [None] * len(layers)
        self._before: list[NDArray[np.float32]] = []
        self.newest: NDArray[np.void] | None = None

    def read(self, weights: list[NDArray[np.float32]]) -> None:
        """Take the present weights; with what was requested since the last read they give the achieved changes."""
        now = [values[places] for values, places in zip(weights, self._places, strict=True)]
        parts = []
        for index, requested in enumerate(self._requested):
            if requested is not None:
                part = np.empty(SAMPLED_PER_LAYER, UPDATE_SAMPLE)
                part["layer"], part["requested"], part["achieved"] = index, requested, now[index] - self._before[index]
                parts.append(part)
        if parts:
            self.newest = np.concatenate(parts)
        self._before = now
        self._requested = [None] * len(self._places)

    def request(self, index: int, drift: NDArray[np.float32]) -> None:
        """Take what is asked of one layer."""
        self._requested[index] = drift[self._places[index]]

    def requested_rms(self, index: int) -> float | None:
        """Return the root mean square of what was last asked of a layer."""
        requested = self._requested[index]
        return None if requested is None else float(np.sqrt(np.mean(requested**2)))

    def achieved_rms(self, index: int) -> float | None:
        """Return the root mean square of a layer's changes in the update before."""
        if self.newest is None:
            return None
        return float(np.sqrt(np.mean(self.newest["achieved"][self.newest["layer"] == index] ** 2)))

    def end_stop_fraction(self, layers: tuple[DeviceLayer, ...]) -> float:
        """Return the fraction of the followed weights that stood at an end of their range when last read."""
        at_end = [
            np.abs(now) > (1 - _AT_END) * layer.weight_range for layer, now in zip(layers, self._before, strict=True)
        ]
        return float(np.mean(at_end))
