"""What a run came to: the figures that `hil train` prints and leaves in `summary.json`."""

import statistics
from collections.abc import Sequence

import msgspec

from hil.telemetry import RunState, StepTimes
from hil.weights import Totals


class StepTimeSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over the steps of a run, seconds."""

    median: float
    """The whole step, data loading included."""
    forward_backward: float
    compile: float
    """Gradients to pulse counts."""
    program: float
    """Pulse counts through the drivers until delivery is confirmed."""
    read: float
    """Read-out and decoding into weights."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a training run."""

    run_dir: str
    state: RunState
    dataset: str
    model: str
    digital: bool
    devices: int
    epochs: int
    steps: int
    seconds: float
    """Wall time of the training loop, evaluations included."""
    step_time_s: StepTimeSummary
    hil_overhead_ratio: float | None
    """(compile + program + read) over forward and backward, medians."""
    train_loss: float | None
    """Mean over the last epoch's steps."""
    test_accuracy: float | None
    test_loss: float | None
    temperature: float
    step_size: float
    update_bits: int | None
    """None in a digital run."""
    precision: str
    pulses_total: int
    energy_j: float
    infeasible_fraction: float
    """Mean over all steps and devices."""
    clipped_fraction: float
    saturated_fraction: float
    end_stop_fraction: float
    """At the last read-out."""
    open_devices: int
    """Masked at the end because their read path is open: no pulse, weight 0."""
    short_devices: int
    """Masked because their read path is short."""
    parameters_sha256: str | None
    """Of the raw calibration data behind the device parameters."""


def summarise_times(times: Sequence[StepTimes]) -> StepTimeSummary:
    """Return the medians, zeros if there was no step.

    The first step, which compiles kernels, is left out when there are others.
    """
    steady = list(times[1:]) or list(times)
    if not steady:
        return StepTimeSummary(median=0.0, forward_backward=0.0, compile=0.0, program=0.0, read=0.0)
    return StepTimeSummary(
        median=statistics.median(t.total for t in steady),
        forward_backward=statistics.median(t.forward_backward for t in steady),
        compile=statistics.median(t.compile for t in steady),
        program=statistics.median(t.program for t in steady),
        read=statistics.median(t.read for t in steady),
    )


def overhead_ratio(times: StepTimeSummary) -> float | None:
    """Return the time of the update loop over that of forward and backward, None before the first step."""
    if times.forward_backward == 0:
        return None
    return (times.compile + times.program + times.read) / times.forward_backward


class Averages:
    """Running means of the fractions that a summary reports."""

    def __init__(self) -> None:
        self._count = 0
        self.infeasible = 0.0
        self.clipped = 0.0
        self.saturated = 0.0

    def add(self, totals: Totals) -> None:
        """Take one step in."""
        self._count += 1
        self.infeasible += (totals.infeasible_fraction - self.infeasible) / self._count
        self.clipped += (totals.clipped_fraction - self.clipped) / self._count
        self.saturated += (totals.saturated_fraction - self.saturated) / self._count
