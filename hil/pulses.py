"""The pulse compiler: from the drift and noise that a step asks of a layer to pulse shapes and counts. Moves nothing.

Pulses come in two shapes per layer and step, a push and a pull of the same mean displacement, the LSB. Balancing the
two by their widths makes a doublet of one push and one pull pure noise; the asymmetry of the devices is thereby taken
out before any counting starts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration import DeviceParameters
from drivers.protocols import Counts, Polarity, Pulse
from hil.kernels.compile_update import STATISTICS, compile_rows
from hil.mapping import DeviceLayer, rows

LARGEST_COUNT = 255
"""Largest push and pull count that fits the controller's pattern."""

_DOUBLET_SHARE = 0.9
"""Part of the counts left beside the net pulses that the mean number of doublets may take, so that its rounding rarely
saturates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPulses:
    """The pulse shapes of one layer in one step, and what they do to its weights."""

    push: Pulse
    pull: Pulse
    lsb: float
    """Mean change of a weight by one push, or minus that by one pull, weight units."""
    push_variance: float
    """Variance of the change by one push, weight units squared."""
    pull_variance: float
    """The same of one pull."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledLayer:
    """Pulse counts of one layer, and how well they meet the request."""

    layer: DeviceLayer
    pulses: LayerPulses
    push: Counts
    """uint8, shape (devices,)."""
    pull: Counts
    """uint8, shape (devices,)."""
    push_pulses: int
    """Sum of `push`."""
    pull_pulses: int
    """Sum of `pull`."""
    infeasible: float
    """Fraction of devices whose noise target lies below the least variance their drift allows; they get that least
    variance."""
    clipped: float
    """Fraction whose drift exceeds the full scale; they get the full scale."""
    saturated: float
    """Fraction with less noise than asked because a count would exceed 255."""
    variance: float
    """Mean compiled variance, weight units squared."""


def choose_pulses(
    parameters: DeviceParameters, *, weight_range: float, full_scale: float, noise_variance: float, largest_net: int
) -> LayerPulses:
    """Choose the widths of one layer's pulses.

    The LSB is the finest one with which `largest_net` pulses reach the full scale and the doublets that the noise needs
    fit the counts; it stays within what was calibrated, and drifts beyond the full scale that then results will be
    clipped.

    Args:
        parameters: what calibration knows of the devices.
        weight_range: half the weight range of the layer.
        full_scale: largest drift, weight units.
        noise_variance: s^2, weight units squared.
        largest_net: largest |n+ - n-|; 2^(B-1) - 1 at update precision B.
    """
    span = 2 * weight_range
    push_range, pull_range = parameters.mu_range(Polarity.PUSH), parameters.mu_range(Polarity.PULL)
    finest, coarsest = max(push_range[0], pull_range[0]), min(push_range[1], pull_range[1])
    at_finest = parameters.step_at(parameters.width_for_push(finest))
    fano_lengths = at_finest.variance_push / at_finest.mu_push + at_finest.variance_pull / at_finest.mu_pull
    for_drift = full_scale / span / largest_net
    for_noise = noise_variance / span**2 / (_DOUBLET_SHARE * (LARGEST_COUNT - largest_net) * fano_lengths)
    mu = min(coarsest, max(finest, for_drift, for_noise))
    push_width_s, pull_width_s = parameters.width_for_push(mu), parameters.width_for_pull(mu)
    return LayerPulses(
        push=Pulse(polarity=Polarity.PUSH, amplitude_v=parameters.amplitude_v, width_s=push_width_s),
        pull=Pulse(polarity=Polarity.PULL, amplitude_v=parameters.amplitude_v, width_s=pull_width_s),
        lsb=mu * span,
        push_variance=parameters.step_at(push_width_s).variance_push * span**2,
        pull_variance=parameters.step_at(pull_width_s).variance_pull * span**2,
    )


def compile_layer(
    layer: DeviceLayer,
    drift: NDArray[np.float32],
    pulses: LayerPulses,
    *,
    noise_variance: float,
    largest_net: int,
    step: int,
    seed: int,
    push: Counts,
    pull: Counts,
    masked: NDArray[np.intp],
) -> CompiledLayer:
    """Compile one layer's update: exact in the mean up to the full scale, exact in the variance where that is feasible.

    Args:
        layer: where the devices are.
        drift: wanted mean change, float32, shape (devices,), weight units.
        pulses: the shapes.
        noise_variance: s^2, weight units squared.
        largest_net: largest |n+ - n-|.
        step: keys the stochastic rounding, with the seed and the device.
        seed: see `step`.
        push: uint8, shape (devices,), overwritten.
        pull: uint8, shape (devices,), overwritten.
        masked: places that get no pulse, none twice; their drift should be 0. The fractions count them in.
    """
    statistics = np.empty((rows(layer.devices), STATISTICS), np.float64)
    compile_rows(
        drift,
        layer.first,
        np.float32(pulses.lsb),
        np.float32(pulses.push_variance),
        np.float32(pulses.pull_variance),
        np.float32(noise_variance),
        np.float32(largest_net),
        np.float32(LARGEST_COUNT),
        step,
        seed,
        push,
        pull,
        statistics,
    )
    pushes, pulls, infeasible, clipped, saturated, variance = statistics.sum(axis=0).tolist()
    pushes -= int(push[masked].sum())
    pulls -= int(pull[masked].sum())
    push[masked] = pull[masked] = 0
    return CompiledLayer(
        layer=layer,
        pulses=pulses,
        push=push,
        pull=pull,
        push_pulses=int(pushes),
        pull_pulses=int(pulls),
        infeasible=infeasible / layer.devices,
        clipped=clipped / layer.devices,
        saturated=saturated / layer.devices,
        variance=variance / layer.devices,
    )
