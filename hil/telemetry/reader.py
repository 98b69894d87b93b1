"""Telemetry on its way in: reads a run directory that may still be growing, torn or damaged."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import TokenError
from typing import final

import msgspec
import numpy as np

from hil.telemetry.records import SCHEMA_VERSION, UPDATE_SAMPLE, Evaluation, Event, Manifest, Status, Step
from hil.telemetry.tail import Tail

POINTS_KEPT = 8192
"""Points of one history held in memory; beyond that it is thinned, extremes kept."""

EVENTS_KEPT = 1000
"""Newest events held in memory."""

# RecursionError: a damaged line may be nothing but opening brackets.
_UNREADABLE_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# A damaged .npy may claim any size, or carry a header that is not Python.
_UNREADABLE_ARRAY = (ValueError, EOFError, OSError, MemoryError, SyntaxError, TokenError)


@dataclass(slots=True)
class Series:
    """One quantity against the step: at most `POINTS_KEPT` points, thinned so that peaks survive."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def append(self, step: int, value: float | None) -> None:
        """Add a point; a value that is not a number is left out."""
        if value is None:
            return
        self.steps.append(step)
        self.values.append(value)
        if len(self.steps) > POINTS_KEPT:
            self._thin()

    def _thin(self) -> None:
        """Keep the lowest and the highest of every four points, in their order."""
        kept: list[int] = []
        for start in range(0, len(self.values), 4):
            group = range(start, min(start + 4, len(self.values)))
            extremes = {min(group, key=self.values.__getitem__), max(group, key=self.values.__getitem__)}
            kept.extend(sorted(extremes))
        self.steps = [self.steps[index] for index in kept]
        self.values = [self.values[index] for index in kept]


@final
class RunReader:
    """The newest state of a run directory, brought up to date by `poll`. Never writes and never locks.

    Attributes:
        manifest: what the run is, or None before it is written.
        status: where it stands, or None.
        last_step: the newest step record, or None.
        loss, accuracy, test_accuracy: histories, bounded.
        push_pulses, pull_pulses: per layer, totals over the steps read.
        events: the newest events, oldest first.
        updates: newest sample of requested and achieved changes (dtype `UPDATE_SAMPLE`), or None.
        corrupt_lines: lines and files that could not be read.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.manifest: Manifest | None = None
        self.status: Status | None = None
        self.last_step: Step | None = None
        self.loss = Series()
        self.accuracy = Series()
        self.test_accuracy = Series()
        self.push_pulses: list[int] = []
        self.pull_pulses: list[int] = []
        self.events: list[Event] = []
        self.updates: np.ndarray | None = None
        self.corrupt_lines = 0
        self._metrics = Tail(directory / "metrics.jsonl")
        self._events = Tail(directory / "events.jsonl")
        self._step_decoder = msgspec.json.Decoder(Step | Evaluation)
        self._event_decoder = msgspec.json.Decoder(Event)
        self._stamps: dict[Path, tuple[int, int, int]] = {}

    @property
    def is_too_new(self) -> bool:
        """Return whether the run was written by a newer version than this reader understands."""
        return self.manifest is not None and self.manifest.v > SCHEMA_VERSION

    @property
    def is_behind(self) -> bool:
        """Return whether the last poll left lines of a long history unread: poll again at once."""
        return self._metrics.is_behind or self._events.is_behind

    def poll(self) -> bool:
        """Read what is new, a bounded amount of it; return whether anything was."""
        changed = [
            self._poll_manifest(),
            self._poll_status(),
            self._poll_metrics(),
            self._poll_events(),
            self._poll_updates(),
        ]
        return any(changed)

    def _poll_manifest(self) -> bool:
        content = self._if_replaced(self.directory / "run.json")
        return content is not None and self._decode_into("manifest", content, Manifest)

    def _poll_status(self) -> bool:
        content = self._if_replaced(self.directory / "status.json")
        return content is not None and self._decode_into("status", content, Status)

    def _decode_into(self, attribute: str, content: bytes, kind: type[Manifest] | type[Status]) -> bool:
        try:
            setattr(self, attribute, msgspec.json.decode(content, type=kind))
        except _UNREADABLE_JSON:
            self.corrupt_lines += 1
        return True

    def _poll_metrics(self) -> bool:
        lines = self._metrics.new_lines()
        for line in lines:
            try:
                record = self._step_decoder.decode(line)
            except _UNREADABLE_JSON:
                self.corrupt_lines += 1
                continue
            if isinstance(record, Evaluation):
                self.test_accuracy.append(record.step, record.test_accuracy)
            else:
                self._take_step(record)
        return bool(lines)

    def _take_step(self, record: Step) -> None:
        self.last_step = record
        self.loss.append(record.step, record.loss)
        self.accuracy.append(record.step, record.accuracy)
        missing = len(record.layers) - len(self.push_pulses)
        self.push_pulses.extend([0] * missing)
        self.pull_pulses.extend([0] * missing)
        for index, layer in enumerate(record.layers):
            self.push_pulses[index] += layer.push
            self.pull_pulses[index] += layer.pull

    def _poll_events(self) -> bool:
        lines = self._events.new_lines()
        for line in lines:
            try:
                self.events.append(self._event_decoder.decode(line))
            except _UNREADABLE_JSON:
                self.corrupt_lines += 1
        del self.events[:-EVENTS_KEPT]
        return bool(lines)

    def _poll_updates(self) -> bool:
        content = self._if_replaced(self.directory / "latest" / "updates.npy")
        if content is None:
            return False
        sample = _decode_updates(content)
        if sample is None:
            self.corrupt_lines += 1
        else:
            self.updates = sample
        return True

    def _if_replaced(self, path: Path) -> bytes | None:
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if self._stamps.get(path) == stamp:
                return None
            content = path.read_bytes()
        except OSError:
            return None
        self._stamps[path] = stamp
        return content


def _decode_updates(content: bytes) -> np.ndarray | None:
    try:
        sample = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except _UNREADABLE_ARRAY:
        return None
    return sample if sample.dtype == UPDATE_SAMPLE and sample.ndim == 1 else None


def find_latest_run(runs: Path) -> Path | None:
    """Return the run directory in `runs` that was started last, or None."""
    manifests = sorted(runs.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    return manifests[-1].parent if manifests else None
