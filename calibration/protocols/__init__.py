"""Experiments as data: what will be pulsed and read, in which order and at what cost, before anything moves.

The staircase of a calibration is `StaircaseConfig`. The experiments of a characterisation are each one dataclass, in
`PROTOCOLS` by name, whose `actions` can be looked at and costed. How their shots are to be read:

* Steps count actions. Devices that go through an experiment one after the other (the bench route) have the same actions
  under different steps; `settings` of the origin say how many steps one device takes.
* Experiments that need positions begin with readings at rest (phase 2) and at both end stops. Shots of phase 0 without
  pulses are readings at the end stops and nothing else; those of the high one lie above those of the low one.
* Shots of phase 0 with pulses brought walls somewhere, or stressed them (endurance).
* Shots of phase 1 are the measurement, those without pulses too.
* A step that may have been in flight when the program was killed is not made again: a reading of phase 2 stands in its
  place, and what was fired is unknown. A dwell time cut short by a kill is censored where it was cut.
* A number missing among the steps that have shots is no error: pauses leave none, and walls that were at their place
  were given no pulses.

An R-H loop is not among them: it needs a magnet, and no driver has one.
"""

from calibration.protocols.actions import (
    Action,
    Bring,
    Bringing,
    Fire,
    FireUntilMoved,
    Phase,
    Read,
    Sweep,
    Wait,
)
from calibration.protocols.doublets import Doublets
from calibration.protocols.dwell import Dwell
from calibration.protocols.endurance import Endurance
from calibration.protocols.experiments import PROTOCOLS, ExperimentProtocol, protocol_from
from calibration.protocols.flights import Staircase
from calibration.protocols.r_j_loop import RJLoop
from calibration.protocols.read_disturb import ReadDisturb
from calibration.protocols.retention import Retention
from calibration.protocols.s_curve import SCurve
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
from calibration.protocols.sweeps import AmplitudeSweep, WidthSweep
from calibration.protocols.without_pulses import CurrentVoltage, Noise

__all__ = [
    "DIRECTIONS",
    "PROTOCOLS",
    "Action",
    "AmplitudeSweep",
    "Bring",
    "Bringing",
    "CurrentVoltage",
    "Doublets",
    "Dwell",
    "Endurance",
    "ExperimentProtocol",
    "Fire",
    "FireUntilMoved",
    "FirstLook",
    "Noise",
    "Phase",
    "PlanCost",
    "Price",
    "RJLoop",
    "Read",
    "ReadDisturb",
    "Retention",
    "Route",
    "Run",
    "SCurve",
    "Staircase",
    "StaircaseConfig",
    "StaircasePlan",
    "Step",
    "Sweep",
    "Wait",
    "WidthSweep",
    "plan_staircase",
    "protocol_from",
]
