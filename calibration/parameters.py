"""The device parameters that training compiles its pulses from: what was measured, how well, when, with what."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from calibration.atomic import replace_atomically
from calibration.estimate import Estimate
from calibration.protocols import Route
from calibration.record import InstrumentIdentity
from drivers.errors import ConfigError, LimitError
from drivers.protocols import Polarity

SCHEMA_VERSION = 1
"""Version of the parameter file."""

SIGNIFICANCE = 0.001
"""A p-value below this says that the model does not describe the data."""

_ROUNDING = 1e-9


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StepStatistics:
    """One pulse of a certain width at an average device."""

    mu_push: float
    """Mean displacement forward, fraction of the track."""
    mu_pull: float
    """Mean displacement backward, a magnitude, fraction of the track."""
    variance_push: float
    """Variance of the displacement forward, track squared."""
    variance_pull: float
    """Variance of the displacement backward, track squared."""


@final
class DeviceParameters(BaseModel):
    """How the walls of a bench answer to pulses of one amplitude.

    Displacements are fractions of the track per pulse of the reference width.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = SCHEMA_VERSION
    """Version of this format."""
    created: datetime
    """When the measurement ended, UTC."""
    bench: str
    """Name of the bench."""
    library: str
    """VISA library that led to it."""
    route: Route
    """The way to the devices."""
    method: Literal["staircase", "imported"] = "staircase"
    """The experiment, or that the shots were imported."""
    amplitude_v: float = Field(gt=0)
    """Magnitude of push and pull pulses, volts."""
    reference_width_s: float = Field(gt=0)
    """Width that displacements are quoted at, seconds."""
    width_range_s: tuple[float, float]
    """Shortest and longest width calibrated, seconds. Nothing is known outside."""
    mu_push: Estimate
    """Mean displacement by a push, population mean."""
    mu_pull: Estimate
    """Mean displacement by a pull, a magnitude, population mean."""
    variance_push: Estimate
    """Variance of the displacement by a push, population mean."""
    variance_pull: Estimate
    """Variance of the displacement by a pull, population mean."""
    fano_push: Estimate
    """Variance over mean for pushes."""
    fano_pull: Estimate
    """Variance over mean for pulls."""
    dtod_push: Estimate
    """Device-to-device relative standard deviation of the mean displacement by a push."""
    dtod_pull: Estimate
    """The same by a pull."""
    read_noise: Estimate
    """Standard deviation of one reading by the instrument of this route, fraction of the track."""
    conductance_low_s: Estimate
    """Conductance at the low end stop."""
    conductance_high_s: Estimate
    """Conductance at the high end stop."""
    proportionality_p: float | None = Field(ge=0, le=1)
    """P-value of "displacement is proportional to the width"; None if it could not be tested."""
    evenness_p: float | None = Field(ge=0, le=1)
    """P-value of "displacement is the same all along the staircase"; None if it could not be tested."""
    devices: int = Field(ge=3)
    """Devices fitted."""
    dropped_devices: int = Field(ge=0)
    """Devices left out because they did not move freely."""
    dropped_runs: int = Field(ge=0)
    """Runs, or imported shots, left out because the wall came near an end stop."""
    cycles: int = Field(ge=1)
    """Runs at each width."""
    pulses: int = Field(ge=1)
    """Pulses fired in the staircases or imported shots, all devices together."""
    instruments: tuple[InstrumentIdentity, ...]
    """Who took part."""
    raw_file: str | None
    """Name of the raw record beside this file, if it was kept."""
    raw_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Hash of the raw record."""
    notes: tuple[str, ...] = ()
    """What else to know before the numbers are used: what was assumed, what was left out."""

    @model_validator(mode="after")
    def _check(self) -> "DeviceParameters":
        shortest, longest = self.width_range_s
        if not 0 < shortest <= self.reference_width_s <= longest:
            raise ValueError(
                f"reference_width_s {self.reference_width_s:g} lies outside width_range_s {self.width_range_s}"
            )
        steps = {
            "mu_push": self.mu_push,
            "mu_pull": self.mu_pull,
            "variance_push": self.variance_push,
            "variance_pull": self.variance_pull,
        }
        for name, estimate in steps.items():
            if not estimate.value > 0:
                raise ValueError(f"{name} must be above zero, not {estimate.value:g}")
        return self

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Return every estimate by its name, in the order of the file."""
        return {name: value for name, value in self if isinstance(value, Estimate)}

    @property
    def describes_data(self) -> bool:
        """Return whether the model stood every test that could be made."""
        return all(p is None or p >= SIGNIFICANCE for p in (self.proportionality_p, self.evenness_p))

    def step_at(self, width_s: float) -> StepStatistics:
        """Return mean and variance of one pulse of this width.

        Raises:
            LimitError: the width was not calibrated.
        """
        scale = self._calibrated(width_s) / self.reference_width_s
        return StepStatistics(
            mu_push=self.mu_push.value * scale,
            mu_pull=self.mu_pull.value * scale,
            variance_push=self.variance_push.value * scale,
            variance_pull=self.variance_pull.value * scale,
        )

    def width_for_push(self, mu: float) -> float:
        """Return the width whose push moves an average wall by `mu` of the track, seconds.

        Raises:
            LimitError: that width was not calibrated.
        """
        return self._calibrated(mu / self.mu_push.value * self.reference_width_s)

    def width_for_pull(self, mu: float) -> float:
        """Return the width whose pull moves an average wall back by `mu` of the track, seconds.

        Raises:
            LimitError: that width was not calibrated.
        """
        return self._calibrated(mu / self.mu_pull.value * self.reference_width_s)

    def mu_range(self, polarity: Polarity) -> tuple[float, float]:
        """Return the smallest and the largest mean displacement of a calibrated width, fraction of the track."""
        mu = self.mu_push if polarity is Polarity.PUSH else self.mu_pull
        shortest, longest = self.width_range_s
        return mu.value * shortest / self.reference_width_s, mu.value * longest / self.reference_width_s

    def _calibrated(self, width_s: float) -> float:
        shortest, longest = self.width_range_s
        if not shortest * (1 - _ROUNDING) <= width_s <= longest * (1 + _ROUNDING):
            raise LimitError(
                f"a pulse width of {width_s:g} s lies outside the calibrated range {shortest:g} to {longest:g} s; "
                "ask for another displacement or calibrate these widths"
            )
        return min(longest, max(shortest, width_s))

    def save(self, path: Path) -> None:
        """Write the parameter file, whole or not at all."""
        replace_atomically(path, self.model_dump_json(indent=2).encode() + b"\n")


def load_parameters(path: Path) -> DeviceParameters:
    """Read a parameter file.

    Raises:
        ConfigError: the file cannot be read or a field of it is wrong; the message names the place.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); run a calibration first") from error
    try:
        return DeviceParameters.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ConfigError(f"{path}: {place}: {first['msg']}{others}; calibrate again") from error
