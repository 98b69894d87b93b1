"""What a bench's devices do, learnt through its instruments: measure, fit, keep."""

from calibration.acquire import Progress
from calibration.calibrate import Calibration, calibrate, fit_record
from calibration.estimate import Estimate
from calibration.health import Health, HealthBounds, health_bounds
from calibration.parameters import DeviceParameters, StepStatistics, load_parameters
from calibration.protocols import Route, StaircaseConfig
from calibration.record import StaircaseRecord
from calibration.report import parameter_table

__all__ = [
    "Calibration",
    "DeviceParameters",
    "Estimate",
    "Health",
    "HealthBounds",
    "Progress",
    "Route",
    "StaircaseConfig",
    "StaircaseRecord",
    "StepStatistics",
    "calibrate",
    "fit_record",
    "health_bounds",
    "load_parameters",
    "parameter_table",
]
