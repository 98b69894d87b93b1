"""From the devices' physics to the law by which the array's converter reads them.

Everything a converter sees of a device at a fixed read voltage is a smooth function of one number, the share of the
device in the high state: the mean of its codes and their variance. Both become Chebyshev series, good to a thousandth
of a code, that a kernel evaluates for millions of devices.

The noise of one reading is white from one reading to the next: the meter's, the devices' thermal and shot noise in the
band of the reading, and the whole variance of their 1/f and telegraph noise as a reading sees it. That the slow part of
the latter comes back at the next reading is left out here: an array would have to remember it for every device.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray

from sim_instruments.physics.readout.array import CurvedLaw, ReadoutParameters
from sim_instruments.physics.readout.junction import Junction
from sim_instruments.physics.readout.parameters import Converter, Electrical
from sim_instruments.physics.readout.white_noise import bandwidth_hz, terminal_current_noise_a2_hz

_DEGREE: Final = 32
_TOLERANCE_CODES: Final = 1e-3


def array_law(electrical: Electrical, converter: Converter) -> ReadoutParameters | CurvedLaw:
    """Return how positions become codes: linear with white noise where the devices allow it.

    Raises:
        ValueError: if the devices have thermal noise and there is no read voltage to see it against.
    """
    if electrical.temperature_k is not None and not converter.voltage_v:
        raise ValueError(
            "voltage_v must be above 0 when the devices have a temperature_k: their noise is read against it"
        )
    if electrical.is_ohmic and not electrical.wall_width_share and not electrical.is_noisy:
        return ReadoutParameters(
            conductance_low_s=electrical.conductance_low_s,
            conductance_high_s=electrical.conductance_high_s,
            conductance_noise_s=converter.conductance_noise_s,
            code_offset_s=converter.code_offset_s,
            code_lsb_s=converter.code_lsb_s,
        )
    junction = electrical.junction

    def code(share: NDArray[np.float64]) -> NDArray[np.float64]:
        return (junction.conductance_s(share, converter.voltage_v) - converter.code_offset_s) / converter.code_lsb_s

    def variance(share: NDArray[np.float64]) -> NDArray[np.float64]:
        own = _device_variance_s2(share, junction, electrical, converter)
        return (converter.conductance_noise_s**2 + own) / converter.code_lsb_s**2

    return CurvedLaw(
        code=_series(code), variance=_series(variance), wall_width_share=np.float32(electrical.wall_width_share)
    )


def _device_variance_s2(
    share: NDArray[np.float64], junction: Junction, electrical: Electrical, converter: Converter
) -> NDArray[np.float64]:
    """Return the variance of a reading of the conductance at the terminals that the devices' own noise makes."""
    point = junction.at_voltage(share, converter.voltage_v)
    # The channel does not fluctuate and takes a part of what the junction does.
    passed = junction.conductance_s(share, converter.voltage_v) / (
        1 + junction.series_resistance_ohm * point.junction_slope_s
    )
    variance = converter.noise_variance_of_devices(electrical) * passed**2
    if electrical.temperature_k is not None:
        density = terminal_current_noise_a2_hz(point, junction.series_resistance_ohm, electrical.temperature_k)
        variance = variance + density * bandwidth_hz(converter.reading_s) / converter.voltage_v**2
    return variance


def _series(function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float32]:
    fitted = Chebyshev.interpolate(function, _DEGREE, domain=[0, 1]).trim(_TOLERANCE_CODES)
    return np.append(fitted.coef, [0.0, 0.0])[: max(2, len(fitted.coef))].astype(np.float32)
