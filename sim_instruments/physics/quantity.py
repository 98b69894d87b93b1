"""Bounds that parameters carry in their type, for whoever reads a bench file."""

from typing import Annotated

from annotated_types import Ge, Gt, Le

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Spread = Annotated[float, Ge(0), Le(0.2)]
"""A relative standard deviation from device to device, small enough that four of them keep the sign."""
