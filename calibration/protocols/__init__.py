"""Experiments as data: what will be pulsed and read, in which order and at what cost, before anything moves."""

from calibration.protocols.staircase import (
    DIRECTIONS,
    FirstLook,
    PlanCost,
    Price,
    Route,
    Run,
    StaircaseConfig,
    StaircasePlan,
    Step,
    plan_staircase,
)

__all__ = [
    "DIRECTIONS",
    "FirstLook",
    "PlanCost",
    "Price",
    "Route",
    "Run",
    "StaircaseConfig",
    "StaircasePlan",
    "Step",
    "plan_staircase",
]
