"""What a run writes about itself: the records of a run directory.

    run.json             Manifest, written once
    status.json          Status, replaced atomically about once a second
    metrics.jsonl        Step and Evaluation records, one JSON object a line
    events.jsonl         Event records, on disk before the call returns
    latest/updates.npy   requested and achieved change of a sample of weights, replaced atomically

A reader ignores fields it does not know; a higher major `v` than its own means it is too old to read the run.
JSON has no NaN: a number that is not finite is written as null and read as None.
"""

from enum import StrEnum
from typing import Any

import msgspec
import numpy as np

SCHEMA_VERSION = 1
"""Version of every record in a run directory."""

UPDATE_SAMPLE = np.dtype([("layer", "<u2"), ("requested", "<f4"), ("achieved", "<f4")])
"""One sampled weight: index of its layer, change requested and change achieved in the last step, weight units."""


class RunState(StrEnum):
    """Where a run stands."""

    STARTING = "starting"
    CALIBRATING = "calibrating"
    PROGRAMMING = "programming"
    """The initial weights are being written into the array."""
    TRAINING = "training"
    FINISHED = "finished"
    STOPPED = "stopped"
    """Ended early because a person asked for it."""
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Return whether the run has ended."""
        return self in (RunState.FINISHED, RunState.STOPPED, RunState.FAILED)


class LayerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One layer whose weights live on devices."""

    name: str
    """Name of the parameter in the model."""
    shape: tuple[int, ...]
    """Shape of the parameter."""
    first: int
    """First device of the layer in the array."""
    devices: int
    """Number of devices, one per weight."""


class InstrumentInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument as it was found when the run started."""

    name: str
    model: str
    address: str
    identity: str
    """The `*IDN?` reply."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is: written once, at its start."""

    run_id: str
    kind: str
    """`train` or `calibrate`."""
    created: str
    """ISO 8601 with time zone."""
    command: list[str]
    pid: int
    host: str
    dataset: str
    model: str
    digital: bool
    """True when the weights are floating-point numbers and no bench takes part."""
    bench: str
    library: str
    """The PyVISA library specification."""
    steps_total: int
    epochs: int
    layers: list[LayerInfo]
    instruments: list[InstrumentInfo]
    config: dict[str, Any]
    v: int = SCHEMA_VERSION


class InstrumentStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one instrument without asking it again."""

    name: str
    model: str
    address: str
    link: str
    """`SYNCED`, `DESYNCED`, `DEAD` or `CLOSED`."""
    output: str
    """`on`, `off`, `unknown`, or `none` for an instrument without outputs."""
    exchanges: int
    """Messages sent so far."""
    bytes_out: int
    bytes_in: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands now."""

    state: RunState
    message: str
    step: int
    """Steps finished."""
    steps_total: int
    epoch: int
    """Epoch under way, from 1; 0 before the first."""
    epochs: int
    elapsed_s: float
    eta_s: float | None
    heartbeat_s: float
    """Seconds since 1970 when this was written; renewed every second while the process lives."""
    instruments: list[InstrumentStatus]
    records_written: int = 0
    records_dropped: int = 0
    v: int = SCHEMA_VERSION


class StepTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Where the seconds of one step went."""

    read: float
    """Read-out of the array and decoding into weights."""
    forward_backward: float
    compile: float
    """Gradients to pulse counts."""
    program: float
    """Pulse counts through the drivers, until delivery is confirmed."""
    total: float
    """The whole step, with data loading."""


class LayerStep(msgspec.Struct, frozen=True, kw_only=True):
    """What one step did to one layer. Layers come in the order of `Manifest.layers`."""

    push: int
    """Push pulses delivered."""
    pull: int
    infeasible: float
    """Fraction of devices whose noise target lay below the smallest variance their drift allows."""
    clipped: float
    """Fraction whose drift exceeded the full scale of the update precision."""
    saturated: float
    """Fraction whose noise doublets ran into the largest count."""
    requested_rms: float | None
    """Root mean square of the requested drift, weight units, over the sampled weights."""
    achieved_rms: float | None
    """Root mean square of the change read back, of the step before; None in the first step."""
    variance_ratio: float | None
    """Compiled variance over target variance: the effective over the set temperature. None at zero temperature."""
    lsb: float
    """Mean displacement of one pulse in weight units: the resolution of the update."""
    width_s: float
    """Width of the push pulse."""


class Step(msgspec.Struct, frozen=True, kw_only=True, tag="step", tag_field="k"):
    """One training step."""

    step: int
    """Number of the step, from 1."""
    epoch: int
    t: float
    """Seconds since the run started."""
    loss: float | None
    accuracy: float
    """Fraction of the batch classified correctly."""
    step_size: float
    temperature: float
    times: StepTimes
    pulses_total: int
    """Pulses delivered since the run started, initial programming included."""
    energy_j: float
    """Energy of those pulses, as the controller reports it."""
    infeasible_fraction: float
    clipped_fraction: float
    layers: list[LayerStep]
    masked_devices: int = 0
    """Open and short devices, which get no pulses and whose weights are 0."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, tag="evaluation", tag_field="k"):
    """One pass over the test set."""

    step: int
    epoch: int
    t: float
    test_loss: float | None
    test_accuracy: float


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth a line in the log."""

    t: float
    """Seconds since 1970."""
    level: str
    """`info`, `warning` or `error`."""
    source: str
    text: str
