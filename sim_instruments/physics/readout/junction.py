"""A tunnel junction over the track: two states in parallel, a bias that wears the contrast down, a channel in series.

With a share p of its area in the high (parallel) state the junction carries

    I = G_high V_j [p + (1 - p) / (1 + TMR(V_j))],    TMR(V_j) = TMR_0 / (1 + (V_j / V_h)^2)

The parallel state is taken as ohmic, as is usual for MgO barriers, and the whole fall of the TMR as a rise of the
antiparallel conductance. The channel adds a resistance: V = V_j + R_s I. As I rises with V_j there is one operating
point; with y = V_j / V_h it is the root of a cubic, found here by Newton steps inside a bracket.
"""

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim_instruments.physics.quantity import NonNegative, Positive

_MOST_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class JunctionPoint:
    """Operating points; arrays of one shape."""

    current_a: NDArray[np.float64]
    """Through the junction and the channel."""
    junction_voltage_v: NDArray[np.float64]
    """V_j, what the channel leaves of the voltage."""
    junction_conductance_s: NDArray[np.float64]
    """I / V_j; without a voltage its limit."""
    junction_slope_s: NDArray[np.float64]
    """dI / dV_j."""
    terminal_slope_s: NDArray[np.float64]
    """dI / dV at the terminals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Junction:
    """What the junctions of one sample have in common."""

    conductance_low_s: Positive
    """Of the low state without bias and without the channel, siemens."""
    conductance_high_s: Positive
    """Of the high state, siemens."""
    bias_half_voltage_v: Positive | None = None
    """V_h, where the TMR has fallen to half, volts; None: it does not fall."""
    series_resistance_ohm: NonNegative = 0.0
    """R_s of the channel, ohms."""

    @property
    def tmr(self) -> float:
        """Return TMR_0 = G_high / G_low - 1, without bias."""
        return self.conductance_high_s / self.conductance_low_s - 1

    def tmr_at(self, junction_voltage_v: ArrayLike) -> NDArray[np.float64]:
        """Return the TMR with a voltage across the junction."""
        voltage_v = np.asarray(junction_voltage_v, np.float64)
        if self.bias_half_voltage_v is None:
            return np.full(voltage_v.shape, self.tmr)
        return self.tmr / (1 + (voltage_v / self.bias_half_voltage_v) ** 2)

    def at_voltage(self, high_share: ArrayLike, voltage_v: ArrayLike, scale: ArrayLike = 1.0) -> JunctionPoint:
        """Return the operating points at terminal voltages.

        Args:
            high_share: share in the high state, 0 to 1.
            voltage_v: between the terminals, signed.
            scale: factor of the junction's conductance, which fluctuates; the arrays are broadcast.
        """
        share, voltage, scales = np.broadcast_arrays(
            *(np.asarray(values, np.float64) for values in (high_share, voltage_v, scale))
        )
        high_s = self.conductance_high_s * scales
        series = self.series_resistance_ohm * high_s
        if self.bias_half_voltage_v is None:
            ratio = slope = share + (1 - share) / (1 + self.tmr)
            junction_voltage = np.asarray(voltage / (1 + series * ratio))
        else:
            y = np.empty(voltage.shape)
            _junction_volts(
                y.reshape(-1), voltage.ravel() / self.bias_half_voltage_v, series.ravel(), share.ravel(), self.tmr
            )
            ratio = share + (1 - share) * (1 + y**2) / (1 + y**2 + self.tmr)
            slope = share + (1 - share) * (1 - self.tmr * (1 + self.tmr - y**2) / (1 + self.tmr + y**2) ** 2)
            junction_voltage = np.asarray(y * self.bias_half_voltage_v)
        return JunctionPoint(
            current_a=high_s * ratio * junction_voltage,
            junction_voltage_v=junction_voltage,
            junction_conductance_s=high_s * ratio,
            junction_slope_s=high_s * slope,
            terminal_slope_s=high_s * slope / (1 + series * slope),
        )

    def conductance_s(self, high_share: ArrayLike, voltage_v: ArrayLike = 0.0) -> NDArray[np.float64]:
        """Return I / V at the terminals; without a voltage its limit.

        Args:
            high_share: share in the high state, 0 to 1.
            voltage_v: between the terminals; the arrays are broadcast.
        """
        junction_s = self.at_voltage(high_share, voltage_v).junction_conductance_s
        return junction_s / (1 + self.series_resistance_ohm * junction_s)


@nb.njit(error_model="numpy", cache=True)
def _junction_volts(roots, volts, series, share, tmr):
    """Write y with y + series * h(y) = volts, voltages in units of V_h; h is the current over G_high V_h.

    Arrays are of shape (n,), `roots` is overwritten.
    """
    for i in range(volts.shape[0]):
        target, r, p = abs(volts[i]), series[i], share[i]
        # The current lies between that of the high state and that without bias, so y lies in this bracket.
        low, high = target / (1 + r), target / (1 + r * (p + (1 - p) / (1 + tmr)))
        y = high
        for _ in range(_MOST_STEPS):
            square = y * y
            slope = p + (1 - p) * (1 - tmr * (1 + tmr - square) / (1 + tmr + square) ** 2)
            excess = y + r * y * (p + (1 - p) * (1 + square) / (1 + square + tmr)) - target
            if excess > 0:
                high = y
            else:
                low = y
            better = y - excess / (1 + r * slope)
            if not low <= better <= high:
                better = (low + high) / 2
            if abs(better - y) <= 4e-16 * y:
                break
            y = better
        roots[i] = math.copysign(y, volts[i])
