"""What the devices of one sample have in common in the compact wall model."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Le

from sim_instruments.physics.quantity import NonNegative, Positive, Spread

StepLaw = Literal["gaussian", "gamma", "inverse-gaussian", "poisson", "compound-poisson"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactParameters:
    """Statistics of the displacement by one pulse.

    A pulse of amplitude A and width t moves a wall at position x (fraction of the track of length L, from 0 to 1) by a
    random step of mean

        m = velocity * (A - threshold) / (reference amplitude - threshold) * t / L * gain(x)     (0 below the threshold)

    and variance Fano length / L * m. The gain is 1 + slope * e + curvature * e^2, where e goes from -1 at the end that
    the pulse moves away from, through 0 in the middle, to 1 at the end it moves towards.

    Return-point memory: of the variance of a one-way staircase, v per pulse, only the share `memory_ratio` is drawn
    afresh by every pulse. The rest is a frozen irregularity of the device, which a pull runs through backwards, so a
    push and a pull together have variance 2 * memory_ratio * v. Both hold for ways longer than `memory_length_m`.

    Raises:
        ValueError: if the reference amplitude moves no wall, a gain is not positive everywhere on the track, or the
            memory cannot be had.
    """

    model: Literal["compact"] = "compact"
    track_length_m: Positive
    """Distance between the end stops."""
    reference_amplitude_v: Positive
    """Amplitude at which the velocities hold."""
    threshold_v: NonNegative
    """Largest amplitude that does not move a wall."""
    push_velocity_m_s: Positive
    """Mean wall velocity during a push pulse of the reference amplitude, in the middle of the track."""
    pull_velocity_m_s: Positive
    """The same for a pull pulse, a magnitude."""
    push_fano_length_m: Positive
    """Variance over mean of the displacement by pushes."""
    pull_fano_length_m: Positive
    """Variance over mean of the displacement by pulls."""
    velocity_dtod: Spread
    """Device-to-device relative standard deviation of the velocity, common to push and pull."""
    asymmetry_dtod: Spread
    """Device-to-device relative standard deviation of the pull/push ratio."""
    fano_dtod: Spread
    """Device-to-device relative standard deviation of the Fano length."""
    law: StepLaw = "gaussian"
    """Distribution of one step; all have the mean and the variance above."""
    hop_cv: NonNegative = 0.0
    """Relative standard deviation of a hop's length, for the compound Poisson law."""
    memory_ratio: Annotated[float, Gt(0), Le(1)] = 1.0
    """Variance of a push and a pull over that of two pulses of a one-way staircase."""
    memory_length_m: NonNegative = 0.0
    """Length below which the frozen irregularity is smooth: the spacing of pinning sites. Needed for a memory."""
    push_gain_slope: float = 0.0
    """Relative change of the mean step from the middle of the track to its push end."""
    pull_gain_slope: float = 0.0
    """Relative change of the mean step from the middle of the track to its pull end."""
    push_gain_curvature: float = 0.0
    """Relative change of the mean step from the middle to the ends that both have in common."""
    pull_gain_curvature: float = 0.0
    """The same for pulls."""

    def __post_init__(self) -> None:
        if self.reference_amplitude_v <= self.threshold_v:
            raise ValueError("reference_amplitude_v must lie above threshold_v")
        if self.law != "compound-poisson" and self.hop_cv:
            raise ValueError('hop_cv belongs to law = "compound-poisson": leave it out or choose that law')
        for name, slope, curvature in (
            ("push", self.push_gain_slope, self.push_gain_curvature),
            ("pull", self.pull_gain_slope, self.pull_gain_curvature),
        ):
            if _least_gain(slope, curvature) <= 0:
                raise ValueError(
                    f"{name}_gain_slope and {name}_gain_curvature must leave 1 + slope * e + curvature * e^2 positive "
                    "for e from -1 to 1: make them smaller"
                )
        self._check_memory()

    def mean_step(self, velocity_m_s: float, amplitude_v: float, width_s: float) -> float:
        """Return the mean displacement of one pulse in the middle of the track, fraction of the track."""
        overdrive = max(0.0, amplitude_v - self.threshold_v) / (self.reference_amplitude_v - self.threshold_v)
        return velocity_m_s * overdrive * width_s / self.track_length_m

    @property
    def frozen_fano_length_m(self) -> float:
        """Return variance over path of the frozen irregularity, one path for pushes and pulls."""
        return (1 - self.memory_ratio) * (self.push_fano_length_m + self.pull_fano_length_m) / 2

    def _check_memory(self) -> None:
        if self.memory_ratio == 1:
            return
        if self.memory_length_m == 0:
            raise ValueError("memory_ratio below 1 needs memory_length_m: the spacing of pinning sites")
        if not self.track_length_m / 2**15 <= self.memory_length_m <= self.track_length_m:
            raise ValueError("memory_length_m must lie between track_length_m / 32768 and track_length_m")
        smaller = min(self.push_fano_length_m, self.pull_fano_length_m)
        if smaller <= self.frozen_fano_length_m:
            least = 1 - 2 * smaller / (self.push_fano_length_m + self.pull_fano_length_m)
            raise ValueError(f"memory_ratio must lie above {least:.4g}, as pushes and pulls run over one frozen path")


def _least_gain(slope: float, curvature: float) -> float:
    inner = -slope / (2 * curvature) if curvature else 2.0
    candidates = (-1.0, 1.0, inner) if -1 < inner < 1 else (-1.0, 1.0)
    return min(1 + slope * e + curvature * e * e for e in candidates)
