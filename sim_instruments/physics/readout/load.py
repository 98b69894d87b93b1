"""What two terminals see: devices in parallel, as currents at voltages and voltages at currents."""

from dataclasses import dataclass
from typing import Final, Protocol, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.readout.junction import Junction, JunctionPoint
from sim_instruments.physics.readout.white_noise import junction_current_noise_a2_hz, terminal_current_noise_a2_hz

_MOST_STEPS: Final = 200


class Load(Protocol):
    """A two-terminal whose current rises with its voltage; no current without a voltage."""

    def current_a(self, voltage_v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the currents at these voltages, shape (readings,)."""
        ...

    def voltage_v(self, current_a: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the voltages at these currents, shape (readings,); 0 where nothing conducts."""
        ...

    def slope_s(self, voltage_v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return dI / dV at these voltages, shape (readings,)."""
        ...

    def current_noise_a2_hz(self, voltage_v: NDArray[np.float64], temperature_k: float) -> NDArray[np.float64]:
        """Return the white noise of the current at terminals held at these voltages, shape (readings,)."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Ohmic:
    """A conductance."""

    conductance_s: float | NDArray[np.float64]
    """Siemens: one, or one for each reading."""

    def current_a(self, voltage_v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the currents at these voltages."""
        return voltage_v * self.conductance_s

    def voltage_v(self, current_a: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the voltages at these currents; 0 on an open circuit."""
        # Nobody asks for a current that an open circuit cannot carry.
        return current_a / np.where(np.equal(self.conductance_s, 0), 1.0, self.conductance_s)

    def slope_s(self, voltage_v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the conductance, once for each voltage."""
        return np.broadcast_to(self.conductance_s, np.shape(voltage_v))

    def current_noise_a2_hz(self, voltage_v: NDArray[np.float64], temperature_k: float) -> NDArray[np.float64]:
        """Return the white noise of a junction of this conductance."""
        return junction_current_noise_a2_hz(self.conductance_s, voltage_v, temperature_k)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Junctions:
    """Junctions side by side, each with its wall, and what else conducts beside them."""

    junction: Junction
    """What they have in common."""
    high_share: NDArray[np.float64]
    """Share of each in the high state, shape (devices,)."""
    scale: NDArray[np.float64]
    """Factor of their conductances, shape (readings or 1, devices)."""
    shunt_s: float = 0.0
    """An ordinary conductance beside them, siemens."""

    def current_a(self, voltage_v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the currents at these voltages."""
        return self._at(voltage_v).current_a.sum(axis=1) + self.shunt_s * voltage_v

    def voltage_v(self, current_a: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the voltages at these currents: the one root of the sum of the currents."""
        wanted = np.abs(current_a)
        series, high_s = self.junction.series_resistance_ohm, self.junction.conductance_high_s * self.scale
        most_s = (high_s / (1 + series * high_s)).sum(axis=1) + self.shunt_s
        least_s = self.slope_s(np.zeros_like(wanted))
        is_open = least_s == 0
        low, high = wanted / np.where(is_open, 1.0, most_s), wanted / np.where(is_open, 1.0, least_s)
        voltage = high
        for _ in range(_MOST_STEPS):
            excess = self.current_a(voltage) - wanted
            low, high = np.where(excess > 0, low, voltage), np.where(excess > 0, voltage, high)
            better = voltage - excess / np.where(is_open, 1.0, self.slope_s(voltage))
            better = np.where((low <= better) & (better <= high), better, (low + high) / 2)
            is_settled = np.abs(better - voltage) <= 1e-15 * voltage
            voltage = better
            if is_settled.all():
                break
        return np.copysign(voltage, current_a)

    def slope_s(self, voltage_v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return dI / dV at these voltages."""
        return self._at(voltage_v).terminal_slope_s.sum(axis=1) + self.shunt_s

    def current_noise_a2_hz(self, voltage_v: NDArray[np.float64], temperature_k: float) -> NDArray[np.float64]:
        """Return the white noise of the current; the shunt has a junction's."""
        of_each = terminal_current_noise_a2_hz(self._at(voltage_v), self.junction.series_resistance_ohm, temperature_k)
        return of_each.sum(axis=1) + junction_current_noise_a2_hz(self.shunt_s, voltage_v, temperature_k)

    def _at(self, voltage_v: NDArray[np.float64]) -> JunctionPoint:
        return self.junction.at_voltage(self.high_share, voltage_v[:, np.newaxis], self.scale)
