"""The probe of a source-measure unit: where its output settles on the devices that the measure row reaches."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.readout.contacts import Windows
from sim_instruments.physics.readout.load import Load, Ohmic
from sim_instruments.physics.readout.white_noise import bandwidth_hz
from sim_instruments.place import Place
from sim_instruments.smu_output import OperatingPoint, SourceFunction, operating_point, settle


@final
class Probe:
    """Two terminals.

    Args:
        place: the bench they lead to; None: they lead nowhere.
    """

    def __init__(self, place: Place | None) -> None:
        self._place = place

    def settle(
        self, function: SourceFunction, levels: NDArray[np.float64], limit: float, windows: Windows | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Return voltages, currents and where the compliance holds, at each level. Readings may move walls.

        Args:
            function: what is sourced.
            levels: shape (readings,).
            limit: compliance of the other quantity, a magnitude.
            windows: when each is read, with the devices' own noise; None: without noise.
        """
        settled = self._noisy(function, self._load(windows), levels, limit, windows)
        self._disturb(settled[0], windows)
        return settled

    def settle_one(
        self, function: SourceFunction, level: float, limit: float, windows: Windows | None = None
    ) -> OperatingPoint:
        """Return what `settle` does for one level, without arrays where the load allows it."""
        load = self._load(windows)
        if isinstance(load, Ohmic) and isinstance(load.conductance_s, float) and self._temperature_k is None:
            point = operating_point(function, level, limit, load.conductance_s)
            self._disturb(point.voltage_v, windows)
            return point
        voltage_v, current_a, is_limited = self._noisy(function, load, np.array([level]), limit, windows)
        self._disturb(voltage_v, windows)
        return OperatingPoint(
            voltage_v=float(voltage_v[0]), current_a=float(current_a[0]), is_limited=bool(is_limited[0])
        )

    @property
    def _temperature_k(self) -> float | None:
        return None if self._place is None else self._place.sample.contacts.temperature_k

    def _load(self, windows: Windows | None) -> Load:
        if self._place is None:
            return Ohmic(0.0)
        return self._place.sample.load(self._place.wiring.measured_devices(), windows)

    def _disturb(self, voltage_v: float | NDArray[np.float64], windows: Windows | None) -> None:
        if self._place is not None and windows is not None:
            self._place.sample.note_measured(self._place.wiring.measured_devices(), voltage_v)

    def _noisy(
        self,
        function: SourceFunction,
        load: Load,
        levels: NDArray[np.float64],
        limit: float,
        windows: Windows | None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Settle, and add the devices' white noise to the quantity that the output leaves free."""
        voltage_v, current_a, is_limited = settle(function, levels, limit, load)
        if self._place is None or windows is None or self._temperature_k is None:
            return voltage_v, current_a, is_limited
        density = load.current_noise_a2_hz(voltage_v, self._temperature_k)
        drawn = self._place.sample.contacts.noise.standard_normal(len(levels))
        noise_a = np.sqrt(density * bandwidth_hz(windows.window_s)) * drawn
        holds_voltage = (function == "VOLT") ^ is_limited
        slope_s = load.slope_s(voltage_v)
        noise_v = noise_a / np.where(slope_s > 0, slope_s, 1.0)
        return (
            np.where(holds_voltage, voltage_v, voltage_v + noise_v),
            np.where(holds_voltage, current_a + noise_a, current_a),
            is_limited,
        )


NOWHERE = Probe(None)
"""Terminals with nothing between them."""
