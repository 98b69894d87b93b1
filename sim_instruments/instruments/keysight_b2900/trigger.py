"""The trigger model of a Keysight B2900 channel: an arm and a trigger layer for each of its two actions.

The source's action is the transition to the next level, the meter's is the acquisition of a reading; `ALL` sets both
and, as on the instrument, cannot be asked for. Signals from outside (EXT, INT, LAN) never come on this bench.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final, final

from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice, Integer, Real
from sim_instruments.scpi_setting import real_setting, setting
from sim_instruments.scpi_tree import Command

ACTIONS: Final = ("ACQ", "TRAN")
"""Acquisition and transition."""

BOTH: Final = frozenset(ACTIONS)
"""What `ALL` stands for."""

MOST_READINGS: Final = 100_000
"""Readings that a channel keeps."""

_NAMES = {"ACQ": "ACQuire", "TRAN": "TRANsient"}
_INTERNAL = ("AINT", "TIM")
_SHORTEST_PERIOD_S = 2e-5

_SOURCE = Choice(("AINT", "BUS", "TIMer", "INT1", "INT2", "LAN", *(f"EXT{pin}" for pin in range(1, 15))))
_COUNT = Integer(low=1, high=100_000)
_TIMER = Real(unit="S", low=_SHORTEST_PERIOD_S, high=1e5, default=_SHORTEST_PERIOD_S)
_DELAY = Real(unit="S", low=0.0, high=1e5, default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer, as *RST leaves it."""

    source: str = "AINT"
    timer_s: float = _SHORTEST_PERIOD_S
    count: int = 1
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an INITiate will do."""

    transitions: int
    """Levels that the source goes through; 0 if only the meter is initiated."""
    acquisitions: int
    """Readings that the meter takes; 0 if only the source is initiated."""
    per_trigger: int
    """Steps that one signal from outside starts; all of them where none is waited for."""
    period_s: float
    """Time from one step to the next, unless a step takes longer."""
    delay_s: float
    """Time from the trigger to the reading."""
    waits_for: str
    """The signal from outside that starts it; empty if it starts by itself."""

    @property
    def steps(self) -> int:
        """Return the number of steps in all."""
        return max(self.transitions, self.acquisitions)


@final
class Trigger:
    """The four layers of one channel."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Do what *RST does."""
        self._layers = {(stage, action): Layer() for stage in ("ARM", "TRIG") for action in ACTIONS}

    def commands(self, number: int) -> tuple[Command, ...]:
        """Return the commands of the `:ARM` and `:TRIGger` subsystems of a channel."""
        mark = "#" if number == 1 else str(number)
        return (*self._stage("ARM", f":ARM{mark}"), *self._stage("TRIG", f":TRIGger{mark}"))

    def plan(self, actions: Collection[str]) -> Plan:
        """Return what these actions will do.

        Raises:
            ScpiError: if they are too many readings to keep.
        """
        arms = {action: self._layers["ARM", action] for action in actions}
        triggers = {action: self._layers["TRIG", action] for action in actions}
        counts = {action: arms[action].count * triggers[action].count for action in actions}
        if max(counts.values()) > MOST_READINGS:
            raise ScpiError(-221, f"{max(counts.values())} readings, and {MOST_READINGS} can be kept")
        outer = next((layer.source for layer in arms.values() if layer.source not in _INTERNAL), "")
        inner = next((layer.source for layer in triggers.values() if layer.source not in _INTERNAL), "")
        timed = [layer.timer_s for layer in triggers.values() if layer.source == "TIM"]
        inner_count = max(layer.count for layer in triggers.values())
        return Plan(
            transitions=counts.get("TRAN", 0),
            acquisitions=counts.get("ACQ", 0),
            per_trigger=1 if inner else inner_count if outer else max(counts.values()),
            period_s=max(timed, default=0.0),
            delay_s=triggers["ACQ"].delay_s if "ACQ" in triggers else 0.0,
            waits_for=inner or outer,
        )

    def _stage(self, stage: str, root: str) -> list[Command]:
        found: list[Command] = []
        for action in ACTIONS:
            at = f"{root}:{_NAMES[action]}"
            layer = self._reader(stage, action)
            found += [
                *setting(
                    f"{at}:COUNt", _COUNT, lambda layer=layer: str(layer().count), self._writer(stage, action, "count")
                ),
                *setting(
                    f"{at}:SOURce[:SIGNal]",
                    _SOURCE,
                    lambda layer=layer: layer().source,
                    self._writer(stage, action, "source"),
                ),
                *real_setting(
                    f"{at}:TIMer", _TIMER, lambda layer=layer: layer().timer_s, self._writer(stage, action, "timer_s")
                ),
                *real_setting(
                    f"{at}:DELay", _DELAY, lambda layer=layer: layer().delay_s, self._writer(stage, action, "delay_s")
                ),
            ]
        at = f"{root}[:ALL]"
        found += [
            Command(f"{at}:COUNt", self._writer(stage, None, "count"), (_COUNT,)),
            Command(f"{at}:SOURce[:SIGNal]", self._writer(stage, None, "source"), (_SOURCE,)),
            Command(f"{at}:TIMer", self._writer(stage, None, "timer_s"), (_TIMER,)),
            Command(f"{at}:DELay", self._writer(stage, None, "delay_s"), (_DELAY,)),
        ]
        return found

    def _reader(self, stage: str, action: str) -> Callable[[], Layer]:
        return lambda: self._layers[stage, action]

    def _writer(self, stage: str, action: str | None, field: str) -> Callable[[object], None]:
        def write(value: object) -> None:
            for one in ACTIONS if action is None else (action,):
                self._layers[stage, one] = replace(self._layers[stage, one], **{field: value})  # type: ignore[arg-type]

        return write
