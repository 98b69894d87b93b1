"""A number with its uncertainty and its unit."""

from typing import Self, final

from pydantic import BaseModel, ConfigDict, model_validator


@final
class Estimate(BaseModel):
    """An estimate with a 95 % confidence interval."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    value: float
    """Best value."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    unit: str
    """SI unit; "track" is the length between the end stops, "1" a pure number."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"value {self.value:g} must lie between low {self.low:g} and high {self.high:g}")
        return self

    def contains(self, value: float) -> bool:
        """Return whether the interval covers this value."""
        return self.low <= value <= self.high
