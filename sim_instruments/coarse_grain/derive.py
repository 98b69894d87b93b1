"""From what was measured to the compact model's parameters, each with its interval."""

from dataclasses import dataclass
from typing import Any, Final

from sim_instruments.coarse_grain.error import CoarseGrainError
from sim_instruments.coarse_grain.experiment import Measured
from sim_instruments.coarse_grain.overdrive import Overdrive
from sim_instruments.coarse_grain.resample import Estimate
from sim_instruments.coarse_grain.sample_statistics import VISIBLE_BEYOND, SampleStatistics, is_believed
from sim_instruments.coarse_grain.step_law import LawChoice, choose_law
from sim_instruments.physics.compact.parameters import CompactParameters

_LARGEST_SPREAD: Final = 0.2
_GAINS: Final = ("push_gain_slope", "pull_gain_slope", "push_gain_curvature", "pull_gain_curvature")
_NOTICEABLE: Final = 0.02
_SIGNIFICANT: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """The compact model for one pulse."""

    parameters: CompactParameters
    """Of the preset: what is not visible is left at nothing."""
    estimates: dict[str, Estimate]
    """By the name of the parameter, in its unit, as measured, visible or not."""
    law: LawChoice
    overdrive: Overdrive
    steps_depend: bool
    """Steps of one wall are not independent: variances are those of sums over an eighth of a staircase, per pulse."""
    notes: tuple[str, ...]
    """What to know before using the preset."""


def derive(measured: Measured, seed: int = 0) -> Derived:
    """Derive the compact model's parameters.

    Args:
        measured: the experiments.
        seed: of the resampling.

    Raises:
        CoarseGrainError: if no compact model has these statistics.
    """
    sample = SampleStatistics(measured, seed)
    push, pull = sample.local_mean(is_push=True), sample.local_mean(is_push=False)
    push_fano, pull_fano, memory = sample.fano_and_memory()
    velocity, asymmetry, fano = sample.spreads()
    over = sample.overdrive()
    law = choose_law(sample.steps(velocity.value, asymmetry.value), fano.value)
    length_m, width_s = measured.track_length_m, measured.plan.width_s
    estimates = {
        "threshold_v": over.threshold_v,
        "push_velocity_m_s": push.middle.scaled(length_m / width_s),
        "pull_velocity_m_s": pull.middle.scaled(length_m / width_s),
        "push_fano_length_m": push_fano.scaled(length_m),
        "pull_fano_length_m": pull_fano.scaled(length_m),
        "velocity_dtod": velocity,
        "asymmetry_dtod": asymmetry,
        "fano_dtod": fano,
        "memory_ratio": memory,
        "push_gain_slope": push.slope,
        "pull_gain_slope": pull.slope,
        "push_gain_curvature": push.curvature,
        "pull_gain_curvature": pull.curvature,
    }
    return Derived(
        parameters=_parameters(measured, estimates, law),
        estimates=estimates,
        law=law,
        overdrive=over,
        steps_depend=sample.steps_depend,
        notes=tuple(_notes(measured, estimates, over, steps_depend=sample.steps_depend)),
    )


def _parameters(measured: Measured, estimates: dict[str, Estimate], law: LawChoice) -> CompactParameters:
    values = {name: one.value for name, one in estimates.items()}
    values["threshold_v"] = max(0.0, values["threshold_v"])
    values["memory_ratio"] = min(1.0, values["memory_ratio"])
    for name in ("velocity_dtod", "asymmetry_dtod", "fano_dtod"):
        values[name] = min(_LARGEST_SPREAD, values[name])
    if not _is_memory_visible(estimates):
        values["memory_ratio"] = 1.0
    for name in _GAINS:
        if not is_believed(estimates[name]):
            values[name] = 0.0
    if values["memory_ratio"] != 1:
        fano_length_m = (values["push_fano_length_m"] + values["pull_fano_length_m"]) / 2
        # The compact model's range: its frozen path has at most 15 levels.
        shortest_m = 1.001 * measured.track_length_m / 2**15
        values["memory_length_m"] = min(measured.track_length_m, max(shortest_m, fano_length_m))
    if law.law == "compound-poisson":
        values["hop_cv"] = law.hop_cv
    values |= {"track_length_m": measured.track_length_m, "reference_amplitude_v": measured.plan.amplitude_v}
    table: dict[str, Any] = {name: float(f"{value:.6g}") for name, value in values.items()}
    try:
        return CompactParameters(**table, law=law.law)
    except ValueError as error:
        raise CoarseGrainError(f"no compact model has these statistics: {error}") from error


def _is_memory_visible(estimates: dict[str, Estimate]) -> bool:
    memory = estimates["memory_ratio"]
    return abs(memory.value - 1) > VISIBLE_BEYOND * memory.standard_error


def _notes(measured: Measured, estimates: dict[str, Estimate], over: Overdrive, *, steps_depend: bool) -> list[str]:
    notes = []
    reference_v = measured.plan.amplitude_v
    if over.p_value < _SIGNIFICANT and over.largest_deviation > _NOTICEABLE:
        notes.append(
            f"mean steps are not linear in the amplitude, up to {100 * over.largest_deviation:.2g} % off the line: "
            f"use the preset near {reference_v:g} V only"
        )
    if over.threshold_v.value < 0:
        notes.append("the line through the mean steps has its threshold below 0 V: the preset has 0 V")
    for name in ("velocity_dtod", "asymmetry_dtod", "fano_dtod"):
        if estimates[name].value > _LARGEST_SPREAD:
            notes.append(f"{name} is {estimates[name].value:.3g}: the compact model goes to {_LARGEST_SPREAD:g}")
    if steps_depend:
        notes.append("steps of one wall depend on one another: Fano lengths and memory are those of many pulses")
    for name in _GAINS:
        visible = abs(estimates[name].value) > VISIBLE_BEYOND * estimates[name].standard_error
        if visible and not is_believed(estimates[name]):
            notes.append(f"{name} is left out: the staircases are too short to go on to the ends from them")
    memory = estimates["memory_ratio"]
    if memory.value < 1 and _is_memory_visible(estimates):
        notes.append("memory_length_m is not measured: it is set to the mean Fano length")
    if memory.value > 1 and _is_memory_visible(estimates):
        notes.append(
            f"doublets are noisier than two pulses of a staircase ({memory.value:.3g} times): the preset has 1"
        )
    return notes
