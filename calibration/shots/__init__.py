"""Shots in files: kept while they are made, handed on, brought in from a laboratory."""

from calibration.shots.store import ShotStore

__all__ = ["ShotStore"]
