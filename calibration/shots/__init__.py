"""Shots in files: kept while they are made, handed on, brought in from a laboratory."""

from calibration.shots.export import export, load_experiment
from calibration.shots.store import ShotStore

__all__ = ["ShotStore", "export", "load_experiment"]
