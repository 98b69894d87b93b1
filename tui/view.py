"""What there is to see at one moment: values only, safe to hand from the reading thread to the screen."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hil.telemetry import Event, LayerInfo, Manifest, RunReader, Series, Status, Step

_TOO_LARGE = 1e100
"""A diverged loss may come close to the largest float, where differences overflow."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class History:
    """One quantity against the step."""

    steps: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def copied(cls, series: Series) -> Self:
        """Return a copy that the reader no longer touches, without values too large to draw."""
        steps, values = np.array(series.steps, np.float64), np.array(series.values, np.float64)
        drawable = (np.abs(values) < _TOO_LARGE) & (np.abs(steps) < _TOO_LARGE)
        return cls(steps=steps[drawable], values=values[drawable])

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """A run directory as it was read last."""

    directory: Path
    exists: bool
    """True when there is such a directory."""
    manifest: Manifest | None
    status: Status | None
    step: Step | None
    """The newest step."""
    loss: History
    accuracy: History
    """Fraction of each batch classified correctly."""
    test_accuracy: History
    push_pulses: tuple[int, ...]
    """Push pulses per layer since the run started."""
    pull_pulses: tuple[int, ...]
    events: tuple[Event, ...]
    """The newest events, oldest first."""
    updates: NDArray[np.void] | None
    """Requested and achieved changes of a sample of weights."""
    corrupt_lines: int
    is_too_new: bool
    """True when a newer version wrote the run than this one reads."""
    is_behind: bool
    """True while a long history is still being read."""
    beat_seen_s: float
    """When the monitor first saw the newest heartbeat, seconds since 1970."""
    is_local: bool
    """True when the run is on this host."""
    is_process_gone: bool
    """True when the run is on this host and its process no longer exists."""

    @classmethod
    def of(cls, reader: RunReader, *, beat_seen_s: float, is_local: bool, is_process_gone: bool) -> Self:
        """Return what the reader holds now."""
        return cls(
            directory=reader.directory,
            exists=reader.directory.is_dir(),
            manifest=reader.manifest,
            status=reader.status,
            step=reader.last_step,
            loss=History.copied(reader.loss),
            accuracy=History.copied(reader.accuracy),
            test_accuracy=History.copied(reader.test_accuracy),
            push_pulses=tuple(reader.push_pulses),
            pull_pulses=tuple(reader.pull_pulses),
            events=tuple(reader.events),
            updates=reader.updates,
            corrupt_lines=reader.corrupt_lines,
            is_too_new=reader.is_too_new,
            is_behind=reader.is_behind,
            beat_seen_s=beat_seen_s,
            is_local=is_local,
            is_process_gone=is_process_gone,
        )

    @property
    def layers(self) -> list[LayerInfo]:
        """Return the layers on devices."""
        return self.manifest.layers if self.manifest else []

    @property
    def is_digital(self) -> bool:
        """Return whether the run has no bench."""
        return self.manifest is not None and self.manifest.digital


class Liveness(StrEnum):
    """Whether the figures on the screen are of now."""

    WAITING = "WAITING"
    """There is no run yet."""
    LIVE = "LIVE"
    """The run reports."""
    STALE = "STALE"
    """The run has not reported for a while."""
    DEAD = "DEAD"
    """The run ended without saying so: its process is gone."""
    OVER = "OVER"
    """The run said that it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """All that a panel may draw from."""

    snapshot: Snapshot
    now_s: float
    """Seconds since 1970."""
    layer: int | None = None
    """Index of the chosen layer; None means all."""
    is_frozen: bool = False
    """True while the panels keep an older picture on purpose."""
