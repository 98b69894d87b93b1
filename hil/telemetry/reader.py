"""Telemetry on its way in: tails a run directory that may still be growing, torn or damaged."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import msgspec
import numpy as np

from hil.telemetry.records import SCHEMA_VERSION, UPDATE_SAMPLE, Evaluation, Event, Manifest, Status, Step

_READ_AT_MOST = 8 << 20  # bytes per poll and file, so that one poll of a long run stays short


@dataclass(slots=True)
class Series:
    """One quantity against the step."""

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def append(self, step: int, value: float | None) -> None:
        """Add a point; a value that is not a number is left out."""
        if value is not None:
            self.steps.append(step)
            self.values.append(value)


@final
class RunReader:
    """The newest state of a run directory, brought up to date by `poll`. Never writes and never locks.

    Attributes:
        manifest: what the run is, or None before it is written.
        status: where it stands, or None.
        last_step: the newest step record, or None.
        loss, accuracy, test_accuracy: histories.
        push_pulses, pull_pulses: per layer, totals over the steps read.
        events: every event so far.
        updates: newest sample of requested and achieved changes (dtype `UPDATE_SAMPLE`), or None.
        corrupt_lines: lines that could not be read.
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
        self._metrics = _Tail(directory / "metrics.jsonl")
        self._events = _Tail(directory / "events.jsonl")
        self._step_decoder = msgspec.json.Decoder(Step | Evaluation)
        self._event_decoder = msgspec.json.Decoder(Event)
        self._stamps: dict[Path, tuple[int, int]] = {}

    @property
    def is_too_new(self) -> bool:
        """Return whether the run was written by a newer version than this reader understands."""
        return self.manifest is not None and self.manifest.v > SCHEMA_VERSION

    def poll(self) -> bool:
        """Read what is new; return whether anything was."""
        changed = [self._poll_manifest(), self._poll_status(), self._poll_metrics(), self._poll_events(), self._poll_updates()]
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
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.corrupt_lines += 1
            return False
        return True

    def _poll_metrics(self) -> bool:
        lines = self._metrics.new_lines()
        for line in lines:
            try:
                record = self._step_decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
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
            except (msgspec.DecodeError, UnicodeDecodeError):
                self.corrupt_lines += 1
        return bool(lines)

    def _poll_updates(self) -> bool:
        content = self._if_replaced(self.directory / "latest" / "updates.npy")
        if content is None:
            return False
        try:
            sample = np.load(io.BytesIO(content), allow_pickle=False)
        except (ValueError, EOFError, OSError):
            self.corrupt_lines += 1
            return False
        if sample.dtype != UPDATE_SAMPLE:
            self.corrupt_lines += 1
            return False
        self.updates = sample
        return True

    def _if_replaced(self, path: Path) -> bytes | None:
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if self._stamps.get(path) == stamp:
                return None
            content = path.read_bytes()
        except OSError:
            return None
        self._stamps[path] = stamp
        return content


@final
class _Tail:
    """Whole lines appended to a file since the last look; a torn last line waits for its end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read(_READ_AT_MOST)
        except OSError:
            return []
        end = content.rfind(b"\n") + 1
        self._offset += end
        return [line for line in content[:end].split(b"\n") if line]


def find_latest_run(runs: Path) -> Path | None:
    """Return the run directory in `runs` that was started last, or None."""
    manifests = sorted(runs.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
    return manifests[-1].parent if manifests else None
