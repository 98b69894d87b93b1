"""What the shots of an experiment say: numbers with intervals, tests of what they rest on, what is wrong."""

from importlib import import_module
from typing import Final

import numpy as np

from calibration.analysis.findings import Check, Column, Figure, Findings, Mark, Series, Verdict
from calibration.experiment import Experiment
from drivers.errors import ConfigError

__all__ = ["Check", "Column", "Figure", "Findings", "Mark", "Series", "Verdict", "analyse"]

_ANALYSES: Final = {
    "staircase": ("staircase", "analyse"),
    "doublets": ("doublets", "analyse"),
    "amplitude-sweep": ("sweeps", "analyse_amplitudes"),
    "width-sweep": ("sweeps", "analyse_widths"),
    "s-curve": ("s_curve", "analyse"),
    "dwell": ("dwell", "analyse"),
    "r-j-loop": ("loop", "analyse"),
    "i-v": ("current_voltage", "analyse"),
    "noise": ("noise", "analyse"),
    "retention": ("stays", "analyse_retention"),
    "read-disturb": ("stays", "analyse_read_disturb"),
    "endurance": ("endurance", "analyse"),
}
"""Module and function of each kind of experiment; modules are imported when they are needed, as they load scipy."""


def analyse(experiment: Experiment) -> Findings:
    """Analyse an experiment as its kind demands; imported shots by the settings that vary in them.

    Raises:
        ConfigError: there is no analysis of this kind.
        DeviceFault: the shots do not say what the experiment is about; the message says what would.
    """
    kind = _kind_of_imported(experiment) if experiment.origin.kind == "imported" else experiment.origin.kind
    if kind not in _ANALYSES:
        raise ConfigError(f"there is no analysis of {kind!r}; there are {', '.join(_ANALYSES)}")
    module, function = _ANALYSES[kind]
    return getattr(import_module(f"calibration.analysis.{module}"), function)(experiment)


def _kind_of_imported(experiment: Experiment) -> str:
    shots = experiment.shots[experiment.shots["pulses"] > 0]
    if len(np.unique(shots["width_s"])) > 1:
        return "width-sweep"
    return "amplitude-sweep" if len(np.unique(shots["amplitude_v"])) > 1 else "staircase"
