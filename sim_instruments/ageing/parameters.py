"""`[sample.ageing]`: how the devices of a sample age."""

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.quantity import NonNegative, Positive, Share
from sim_instruments.physics.walls import Kept

REFERENCE_TEMPERATURE_K = 300.0
"""Temperature at which barriers are quoted."""

WEAR_COUNT: Final = Kept(name="wear", dtype=np.dtype(np.uint8), initial=0)
"""What wear keeps of each device: the counter of its pulses."""

_LONGEST_HOP = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionParameters:
    """`[sample.ageing.retention]`: walls hop over barriers at rest.

    A wall leaves its place at the rate 1/tau = exp(-Delta) / tau0 and goes one hop either way with equal probability:
    the Arrhenius law, as barriers in units of kT fall with rising temperature. For the compact model: finer models move
    their walls at rest themselves.

    With a preferred position there is a well about it, and a wall at x goes towards it with probability (1 + b) / 2,
    b = hop |x - preferred| / (2 spread^2): left alone for long, walls are found about it as a normal law of that
    spread.

    Raises:
        ValueError: if one of the two numbers of the well is missing, or the well is too narrow for hops this long.
    """

    hop_length_m: Positive
    """Length of one hop."""
    barrier_kt: Positive
    """Delta: energy of the barrier over kT at 300 K."""
    attempt_time_s: Positive = 1e-9
    """tau0."""
    temperature_k: Positive = REFERENCE_TEMPERATURE_K
    """Temperature at which the sample is kept."""
    preferred_position: Share | None = None
    """Where walls would rather be, fraction of the track; None if one place is as good as another."""
    preferred_spread: Positive | None = None
    """Standard deviation about it in equilibrium, fraction of the track."""

    def __post_init__(self) -> None:
        if (self.preferred_position is None) != (self.preferred_spread is None):
            raise ValueError("preferred_position and preferred_spread make a well together: give both or neither")

    def check(self, track_length_m: float) -> None:
        """Refuse hops that do not go with the track or with the well.

        Raises:
            ValueError: naming the key.
        """
        _check_hop("retention", self.hop_length_m, track_length_m)
        if self.preferred_position is not None and self.preferred_spread is not None:
            farthest = max(self.preferred_position, 1 - self.preferred_position)
            least = math.sqrt(self.hop_length_m / track_length_m * farthest / 2)
            if self.preferred_spread < least:
                raise ValueError(
                    f"ageing.retention.preferred_spread: hops of {self.hop_length_m:g} m need a spread of {least:.3g} "
                    "of the track or more: raise it, or shorten the hops"
                )

    @property
    def hop_rate_hz(self) -> float:
        """Return 1/tau, the rate at which one wall hops."""
        delta = self.barrier_kt * REFERENCE_TEMPERATURE_K / self.temperature_k
        return math.exp(-delta) / self.attempt_time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDisturbParameters:
    """`[sample.ageing.read_disturb]`: a reading may move the wall it reads.

    Each reading at a voltage V causes a Poisson number of hops of mean
    hops_per_read * exp((|V| - reference_voltage_v) / voltage_scale_v): a barrier that falls in proportion to V.
    """

    hops_per_read: NonNegative
    """Mean number of hops by one reading at the reference voltage."""
    hop_length_m: Positive
    """Length of one hop."""
    toward: Literal["push", "pull"] = "push"
    """End that positive read voltages drive walls to; negative ones drive them to the other."""
    reference_voltage_v: Positive = 0.1
    """Voltage of `hops_per_read`, and of the array's own read-out."""
    voltage_scale_v: Positive = 0.05
    """Voltage that makes hops e times as frequent."""

    def check(self, track_length_m: float) -> None:
        """Refuse hops that do not go with the track.

        Raises:
            ValueError: naming the key.
        """
        _check_hop("read_disturb", self.hop_length_m, track_length_m)

    def mean_hops(self, voltages_v: NDArray[np.float64]) -> float:
        """Return the mean number of hops by one reading at each of these voltages, together; none without a voltage."""
        magnitudes_v = np.abs(voltages_v[voltages_v != 0])
        overdrive = (magnitudes_v - self.reference_voltage_v) / self.voltage_scale_v
        return self.hops_per_read * float(np.exp(overdrive).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class WearParameters:
    """`[sample.ageing.wear]`: pulses use devices up.

    After n pulses a device's velocity is 1 / (1 + n / half_velocity_pulses) of what it was, and its Fano length
    1 + n / double_fano_pulses times as long. The form is a plain choice, not taken from a measurement.
    """

    half_velocity_pulses: Positive | None = None
    """Pulses after which the velocity is down to a half; None if it stays."""
    double_fano_pulses: Positive | None = None
    """Pulses after which the Fano length has doubled; None if it stays."""

    def __post_init__(self) -> None:
        if self.half_velocity_pulses is None and self.double_fano_pulses is None:
            raise ValueError("give half_velocity_pulses, double_fano_pulses or both, or leave the table out")

    def velocity_gain(self, pulses: float) -> float:
        """Return velocity over that of a fresh device."""
        return 1.0 if self.half_velocity_pulses is None else 1 / (1 + pulses / self.half_velocity_pulses)

    def fano_gain(self, pulses: float) -> float:
        """Return Fano length over that of a fresh device."""
        return 1.0 if self.double_fano_pulses is None else 1 + pulses / self.double_fano_pulses


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeingParameters:
    """`[sample.ageing]`: what is left out does not happen."""

    retention: RetentionParameters | None = None
    read_disturb: ReadDisturbParameters | None = None
    wear: WearParameters | None = None

    @property
    def kept(self) -> tuple[Kept, ...]:
        """Return what ageing keeps of each device when the power is off."""
        return (WEAR_COUNT,) if self.wear else ()

    def check(self, wall: Any) -> None:
        """Refuse what does not go with the walls' model: finer ones than the compact one have a motion of their own.

        Args:
            wall: parameters of the walls' model.

        Raises:
            ValueError: naming the key.
        """
        tables = {"retention": self.retention, "read_disturb": self.read_disturb, "wear": self.wear}
        used = next((name for name, table in tables.items() if table is not None), None)
        if used is not None and not isinstance(wall, CompactParameters):
            raise ValueError(
                f"ageing.{used}: this table is for the compact model; walls of the model {wall.model!r} move at rest "
                "by their own physics: leave the table out"
            )
        for table in (self.retention, self.read_disturb):
            if table is not None:
                table.check(wall.track_length_m)


def _check_hop(table: str, hop_length_m: float, track_length_m: float) -> None:
    if hop_length_m > _LONGEST_HOP * track_length_m:
        raise ValueError(
            f"ageing.{table}.hop_length_m: {hop_length_m:g} m is longer than a tenth of the track, {track_length_m:g} m"
        )
