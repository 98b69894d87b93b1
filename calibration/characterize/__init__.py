"""One experiment on one bench: planned, costed, carried out, every shot kept, continued after a kill."""

from calibration.characterize.clock import Clock, RealClock, SimulatedClock, clock_of
from calibration.characterize.plan import Access, Plan, plan_again, plan_experiment
from calibration.characterize.run import Characterization, Store, characterize

__all__ = [
    "Access",
    "Characterization",
    "Clock",
    "Plan",
    "RealClock",
    "SimulatedClock",
    "Store",
    "characterize",
    "clock_of",
    "plan_again",
    "plan_experiment",
]
