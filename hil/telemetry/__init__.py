"""The run directory as the interface between a run and whoever watches it."""

from hil.telemetry.reader import RunReader, Series, find_latest_run
from hil.telemetry.records import (
    SCHEMA_VERSION,
    UPDATE_SAMPLE,
    Evaluation,
    Event,
    InstrumentInfo,
    InstrumentStatus,
    LayerInfo,
    LayerStep,
    Manifest,
    RunState,
    Status,
    Step,
    StepTimes,
)
from hil.telemetry.writer import TelemetryWriter

__all__ = [
    "SCHEMA_VERSION",
    "UPDATE_SAMPLE",
    "Evaluation",
    "Event",
    "InstrumentInfo",
    "InstrumentStatus",
    "LayerInfo",
    "LayerStep",
    "Manifest",
    "RunReader",
    "RunState",
    "Series",
    "Status",
    "Step",
    "StepTimes",
    "TelemetryWriter",
    "find_latest_run",
]
