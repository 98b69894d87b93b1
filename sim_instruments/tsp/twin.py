"""What the message exchange of a TSP instrument asks of a model."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sim_instruments.status import Status
from sim_instruments.tsp.vocabulary import Node, Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class TspTraits:
    """Who the instrument is."""

    model: str
    """As in `localnode.model`: `2602B`."""
    serial: str
    firmware: str
    error_queue_depth: int
    """Entries the error queue holds."""


class TspTwin(Protocol):
    """One model of instrument on the bench."""

    @property
    def traits(self) -> TspTraits:
        """Return who it is."""
        ...

    def vocabulary(self, status: Status, /) -> Vocabulary:
        """Return the model's own names, without those that every TSP instrument has.

        Args:
            status: The instrument's registers and error queue.
        """
        ...

    def column(self, node: Node, first: int, last: int, /) -> np.ndarray:
        """Return elements of a buffer for `printbuffer`; raise `ScpiError` if there is no such buffer or element."""
        ...

    def reset(self) -> None:
        """Do what `reset()` does."""
        ...

    def now_s(self) -> float:
        """Return the simulated time, seconds."""
        ...

    def wait(self, seconds: float) -> None:
        """Let simulated time pass."""
        ...
