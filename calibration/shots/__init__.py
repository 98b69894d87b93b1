"""Shots in files: kept while they are made, handed on, brought in from a laboratory."""

from calibration.shots.calibrate import calibrate_table, fit_shots
from calibration.shots.columns import ColumnNames, CsvStyle, Description, Ends, Wanted, load_description
from calibration.shots.export import export, load_experiment
from calibration.shots.store import ShotStore
from calibration.shots.table import import_table

__all__ = [
    "ColumnNames",
    "CsvStyle",
    "Description",
    "Ends",
    "ShotStore",
    "Wanted",
    "calibrate_table",
    "export",
    "fit_shots",
    "import_table",
    "load_description",
    "load_experiment",
]
