"""What a bench file says of the devices as a meter and as the array's own converter see them."""

import math
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from sim_instruments.physics.quantity import NonNegative, Positive
from sim_instruments.physics.readout.flicker import Flicker
from sim_instruments.physics.readout.junction import Junction
from sim_instruments.physics.readout.telegraph import Telegraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Electrical:
    """`[sample.electrical]`: the devices as seen by a meter.

    With the optional keys left out a device is a conductance that is linear in the wall's position and does not
    fluctuate.
    """

    conductance_low_s: Positive
    """Conductance of the low state, without bias and without the channel, siemens."""
    conductance_high_s: Positive
    """Conductance of the high state, siemens."""
    write_resistance_ohm: Positive
    """What a programming pulse sees, ohms."""
    bias_half_voltage_v: Positive | None = None
    """Voltage across the junction that halves its TMR, 0.4 to 0.6 in MgO; None: no bias dependence."""
    series_resistance_ohm: NonNegative = 0.0
    """Of the channel in the read path, ohms."""
    wall_width_share: Annotated[float, Ge(0), Le(0.1)] = 0.0
    """Width parameter Delta of the wall over the length of the track; 0: a sharp wall."""
    temperature_k: Positive | None = None
    """Gives the devices thermal and shot noise, kelvin; None: neither."""
    flicker: Flicker | None = None
    """1/f noise."""
    telegraph: Telegraph | None = None
    """Telegraph noise: one fluctuator in every device."""

    def __post_init__(self) -> None:
        """Refuse states that are the wrong way round."""
        if self.conductance_high_s <= self.conductance_low_s:
            raise ValueError("conductance_high_s must lie above conductance_low_s")

    @property
    def is_ohmic(self) -> bool:
        """Return whether a device's current is in proportion to its voltage and to the share in each state."""
        return self.bias_half_voltage_v is None and not self.series_resistance_ohm

    @property
    def fluctuates(self) -> bool:
        """Return whether a device's conductance is another one at each reading."""
        return self.flicker is not None or self.telegraph is not None

    @property
    def is_noisy(self) -> bool:
        """Return whether a device adds noise of any kind to a reading."""
        return self.fluctuates or self.temperature_k is not None

    @property
    def junction(self) -> Junction:
        """Return the junctions' part."""
        return Junction(
            conductance_low_s=self.conductance_low_s,
            conductance_high_s=self.conductance_high_s,
            bias_half_voltage_v=self.bias_half_voltage_v,
            series_resistance_ohm=self.series_resistance_ohm,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """`[sample.readout]`: the array's own read-out, a 16-bit converter."""

    conductance_noise_s: NonNegative
    """Standard deviation of one reading, siemens, the devices' own noise not counted."""
    code_offset_s: NonNegative
    """Conductance at code 0, siemens."""
    code_lsb_s: Positive
    """Conductance of one code, siemens."""
    voltage_v: NonNegative = 0.0
    """Read voltage between a device's terminals; 0: too small to matter."""
    reading_s: Positive = 1e-6
    """Time that one reading averages over, seconds; it matters to the devices' own noise alone."""

    def noise_variance_of_devices(self, electrical: Electrical) -> float:
        """Return the variance of a junction's relative fluctuations in one reading: 1/f and telegraph noise."""
        laws = (law for law in (electrical.flicker, electrical.telegraph) if law is not None)
        return math.fsum(law.variance_of_reading(self.reading_s) for law in laws)
