"""Source of a channel of the 2600B series: levels, ranges, limits and the interlock."""

from typing import Final, final

from sim_instruments.instruments.keithley_2600b.settings import (
    INTERLOCKED_ABOVE_V,
    SOURCE_OVER,
    VOLTS,
    Ratings,
)
from sim_instruments.scpi_error import ScpiError
from sim_instruments.smu_output import range_for
from sim_instruments.smu_terminals import Terminals
from sim_instruments.tsp.vocabulary import Argument, Attribute, Settings, number, number_within

_HIGH_CAPACITANCE_RANGE_A: Final = 1e-6


@final
class Source:
    """What `source` holds.

    Args:
        ratings: the model's ranges.
        settings: the channel's settings.
        terminals: what the output leads to.
    """

    def __init__(self, ratings: Ratings, settings: Settings, terminals: Terminals) -> None:
        self._ratings = ratings
        self._settings = settings
        self._terminals = terminals
        self.held: float | None = None
        """A level that a sweep left behind, which counts until the next one is set."""

    def reset(self) -> None:
        """Switch the output off and forget what a sweep left behind."""
        self._terminals.set_live(False)
        self.held = None

    def attributes(self, name: str) -> dict[str, Attribute]:
        """Return the attributes of a channel's source whose values depend on others."""
        settings = self._settings
        found: dict[str, Attribute] = {
            f"{name}.source.func": Attribute(get=lambda: settings["source.func"], set=self._set_function),
            f"{name}.source.output": Attribute(get=lambda: settings["source.output"], set=self._set_output),
        }
        for kind in ("v", "i"):
            found |= {
                f"{name}.source.level{kind}": Attribute(
                    get=lambda kind=kind: settings[f"source.level{kind}"],
                    set=lambda value, kind=kind: self._set_level(kind, value),
                ),
                f"{name}.source.range{kind}": Attribute(
                    get=lambda kind=kind: self.span(kind),
                    set=lambda value, kind=kind: self._set_range(kind, value),
                ),
                f"{name}.source.autorange{kind}": Attribute(
                    get=lambda kind=kind: settings[f"source.autorange{kind}"],
                    set=lambda value, kind=kind: self._set_autorange(kind, value),
                ),
                f"{name}.source.limit{kind}": Attribute(
                    get=lambda kind=kind: settings[f"source.limit{kind}"],
                    set=lambda value, kind=kind: self._set_limit(kind, value),
                ),
            }
        return found

    def span(self, kind: str) -> float:
        """Return the range in force of a quantity."""
        if self._settings[f"source.autorange{kind}"]:
            is_held = self.held is not None and kind == self.sourced
            return range_for(self.level if is_held else self._settings[f"source.level{kind}"], self.ranges(kind))
        return self._settings[f"source.range{kind}"]

    def ranges(self, kind: str) -> tuple[float, ...]:
        """Return the ranges there are of a quantity."""
        if kind == "v":
            return self._ratings.voltage_ranges_v
        if self._settings["source.highc"]:
            return tuple(span for span in self._ratings.current_ranges_a if span >= _HIGH_CAPACITANCE_RANGE_A)
        return self._ratings.current_ranges_a

    @property
    def sourced(self) -> str:
        """Return what is sourced: `v` or `i`."""
        return "v" if self._settings["source.func"] == VOLTS else "i"

    @property
    def is_on(self) -> bool:
        """Return whether the output is on."""
        return self._settings["source.output"] == 1

    @property
    def level(self) -> float:
        """Return the level in force."""
        if self.held is not None:
            return self.held
        return self._settings["source.levelv" if self._settings["source.func"] == VOLTS else "source.leveli"]

    def _set_level(self, kind: str, value: Argument) -> None:
        level = number(value)
        if not self._settings[f"source.autorange{kind}"]:
            top = self.span(kind) * SOURCE_OVER
            number_within(level, -top, top)
        self._settings.change(f"source.level{kind}", level)
        self.held = None
        self._check_interlock()

    def _set_output(self, value: Argument) -> None:
        self._settings.change("source.output", value)
        self.held = None
        self._check_interlock()
        self._terminals.set_live(self.is_on)

    def _set_function(self, value: Argument) -> None:
        self._settings.change("source.func", value)
        self.held = None
        self._check_interlock()

    def _set_limit(self, kind: str, value: Argument) -> None:
        self._settings.change(f"source.limit{kind}", value)
        self._check_interlock()

    def _set_range(self, kind: str, value: Argument) -> None:
        top = self.ranges(kind)[-1] * SOURCE_OVER
        chosen = range_for(number_within(value, -top, top), self.ranges(kind))
        if abs(self._settings[f"source.level{kind}"]) > chosen * SOURCE_OVER:
            raise ScpiError(-221, text="Settings conflict: the level does not fit the range")
        self._settings[f"source.range{kind}"] = chosen
        self._settings[f"source.autorange{kind}"] = 0.0
        self._check_interlock()

    def _set_autorange(self, kind: str, value: Argument) -> None:
        present = self.span(kind)
        self._settings.change(f"source.autorange{kind}", value)
        self._settings[f"source.range{kind}"] = present

    def _check_interlock(self) -> None:
        """Switch the output off and report it if it may put out more than the open interlock allows."""
        is_volts = self._settings["source.func"] == VOLTS
        reach_v = self.span("v") if is_volts else self._settings["source.limitv"]
        if self.is_on and reach_v > INTERLOCKED_ABOVE_V and not self._terminals.interlock_closed:
            self._settings["source.output"] = 0.0
            self._terminals.set_live(False)
            raise ScpiError(802, text="OUTPUT blocked by interlock")
