"""Limits that remember where they came from. They raise and never clip."""

from dataclasses import dataclass
from typing import Self, final

from drivers.errors import ConfigError, LimitError


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The closed range a quantity may lie in."""

    quantity: str
    """What is limited, in words."""
    low: float
    """Smallest value allowed."""
    high: float
    """Largest value allowed."""
    unit: str
    """SI unit of both; empty for a count."""
    origin: str
    """Where the range comes from: a manual or a place in a file."""

    def __post_init__(self) -> None:
        # Written so that NaN fails too.
        if not self.low <= self.high:
            raise ConfigError(
                f"{self.origin}: {self.quantity} [{self.low:g}, {self.high:g}] is not a range: low must not exceed high"
            )

    def check(self, value: float) -> float:
        """Return the value.

        Raises:
            LimitError: if it lies outside, or is not a number.
        """
        if not self.low <= value <= self.high:
            raise LimitError(f"{self.quantity} {value:.9g}{self._unit} is outside {self._range}, set by {self.origin}")
        return value

    def narrowed(self, low: float, high: float, origin: str) -> Self:
        """Return a range inside this one.

        Raises:
            ConfigError: if it would be wider on either side.
        """
        if not (self.low <= low and high <= self.high):
            raise ConfigError(
                f"{origin}: [{low:.9g}, {high:.9g}]{self._unit} would widen the {self.quantity} limit "
                f"{self._range} of {self.origin}: limits can only be narrowed"
            )
        return type(self)(quantity=self.quantity, low=low, high=high, unit=self.unit, origin=origin)

    @property
    def _range(self) -> str:
        return f"{self.low:.9g} to {self.high:.9g}{self._unit}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""
