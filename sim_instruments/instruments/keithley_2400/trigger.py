"""Trigger model of the Keithley 2400: an arm layer around a trigger layer, each with its source and its count.

Nothing hangs on the trigger link or on the handler's lines: a layer that waits for one of them waits until an abort.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

from sim_instruments.instruments.keithley_2400.sweep import MOST_POINTS
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Raw
from sim_instruments.scpi_parameter import Choice, Integer, Real
from sim_instruments.scpi_setting import setting, show_real
from sim_instruments.scpi_tree import Command
from sim_instruments.smu_terminals import Terminals

_ARM_SOURCE = Choice(("IMMediate", "TLINk", "TIMer", "MANual", "BUS", "NSTest", "PSTest", "BSTest"))
_TRIGGER_SOURCE = Choice(("IMMediate", "TLINk"))
_DIRECTION = Choice(("ACCeptor", "SOURce"))
_LINE = Integer(low=1, high=4)
_DELAY = Real(unit="S", low=0.0, high=999.9999, default=0.0)
_TIMER = Real(unit="S", low=0.001, high=99999.99, default=0.1)
_BY_ITSELF = ("IMM", "TIM")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """Settings as *RST leaves them."""

    arm_source: str = "IMM"
    arm_count: float = 1
    timer_s: float = 0.1
    arm_direction: str = "ACC"
    arm_input: int = 1
    arm_output_line: int = 2
    arm_output: str = "NONE"
    source: str = "IMM"
    count: int = 1
    delay_s: float = 0.0
    direction: str = "ACC"
    input: int = 1
    inputs: str = "SOUR"
    output_line: int = 2
    output: str = "NONE"


@final
@dataclass(frozen=True, slots=True)
class _Count:
    """A number of passes, or INFinite."""

    def parse(self, raw: Raw) -> float:
        if isinstance(raw, str) and raw.upper() in ("INF", "INFINITE", "INFINITY"):
            return math.inf
        return Integer(low=1, high=MOST_POINTS).parse(raw)


@final
class Trigger:
    """The trigger model.

    Args:
        run: takes so many readings, one pass through the trigger layer.
        changed: told whenever `state` may have changed.
        terminals: lets time pass.
    """

    def __init__(self, run: Callable[[int], None], changed: Callable[[], None], terminals: Terminals) -> None:
        self.state = "idle"
        """`idle`, or which layer waits: `arm` or `trigger`."""
        self._run = run
        self._changed = changed
        self._terminals = terminals
        self._settings = _Settings()
        self._left = 0.0

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is under way."""
        return self.state == "idle"

    @property
    def runs_by_itself(self) -> bool:
        """Return whether all readings come without a trigger from outside."""
        settings = self._settings
        return settings.arm_source in _BY_ITSELF and settings.source == "IMM" and math.isfinite(settings.arm_count)

    @property
    def delay_s(self) -> float:
        """Return the time from a trigger to its reading."""
        return self._settings.delay_s

    def reset(self) -> None:
        """Go idle, with every setting at its default."""
        self._settings = _Settings()
        self.abort()

    def abort(self) -> None:
        """Go idle."""
        self._go("idle")

    def check_idle(self) -> None:
        """Raise the error of INITiate while something is under way."""
        if not self.is_idle:
            raise ScpiError(-213, "the trigger model is not idle")

    def initiate(self) -> None:
        """Leave idle and take the readings that need no trigger from outside."""
        settings = self._settings
        self._left = settings.arm_count
        if settings.arm_source not in _BY_ITSELF:
            self._go("arm")
            return
        self._pass()
        while self.state == "arm" and math.isfinite(self._left):
            if settings.arm_source == "TIM":
                self._terminals.wait(settings.timer_s)
            self._pass()

    def take_bus_trigger(self) -> None:
        """Pass the arm layer if it waits for the bus."""
        if self.state != "arm" or self._settings.arm_source != "BUS":
            raise ScpiError(-211, "the arm layer does not wait for it")
        self._pass()

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the ARM and TRIGger subsystems."""
        arm, trigger = ":ARM[:SEQuence#][:LAYer#]", ":TRIGger[:SEQuence#]"
        event = Choice(("TENTer", "TEXit", "NONE"))
        events = Choice(("SOURce", "DELay", "SENSe", "NONE"))
        return (
            *self._plain(f"{arm}:COUNt", _Count(), "arm_count", self._set_arm_count),
            *self._plain(f"{arm}:SOURce", _ARM_SOURCE, "arm_source"),
            *self._plain(f"{arm}:TIMer", _TIMER, "timer_s"),
            *self._plain(f"{arm}[:TCONfigure]:DIRection", _DIRECTION, "arm_direction"),
            *self._plain(f"{arm}[:TCONfigure]:ILINe", _LINE, "arm_input"),
            *self._plain(f"{arm}[:TCONfigure]:OLINe", _LINE, "arm_output_line"),
            *self._plain(f"{arm}[:TCONfigure]:OUTPut", event, "arm_output"),
            *self._plain(f"{trigger}:COUNt", Integer(low=1, high=MOST_POINTS), "count", self._set_count),
            *self._plain(f"{trigger}:SOURce", _TRIGGER_SOURCE, "source"),
            *self._plain(f"{trigger}:DELay", _DELAY, "delay_s"),
            *self._plain(f"{trigger}[:TCONfigure]:DIRection", _DIRECTION, "direction"),
            *self._plain(f"{trigger}[:TCONfigure]:ILINe", _LINE, "input"),
            *self._plain(f"{trigger}[:TCONfigure]:INPut", events, "inputs"),
            *self._plain(f"{trigger}[:TCONfigure]:OLINe", _LINE, "output_line"),
            *self._plain(f"{trigger}[:TCONfigure]:OUTPut", events, "output"),
            Command(":TRIGger:CLEar", lambda: None),
            Command(":ABORt", self.abort),
        )

    def _plain(
        self, pattern: str, kind: Any, name: str, write: Callable[[Any], None] | None = None
    ) -> tuple[Command, Command]:
        def show() -> str:
            value = getattr(self._settings, name)
            return show_real(value) if isinstance(value, float) else str(value)

        return setting(pattern, kind, show, write or (lambda value: self._change(**{name: value})))

    def _change(self, **changes: Any) -> None:
        self._settings = replace(self._settings, **changes)

    def _set_count(self, count: int) -> None:
        self._check_product(count, self._settings.arm_count)
        self._change(count=count)

    def _set_arm_count(self, count: float) -> None:
        self._check_product(self._settings.count, count)
        self._change(arm_count=count)

    def _check_product(self, count: int, arm_count: float) -> None:
        if math.isfinite(arm_count) and count * arm_count > MOST_POINTS:
            raise ScpiError(-222, f"{count} x {arm_count:g} is more than {MOST_POINTS}")

    def _pass(self) -> None:
        if self._settings.source != "IMM":
            self._go("trigger")
            return
        try:
            self._run(self._settings.count)
        except ScpiError:
            self._go("idle")
            raise
        self._left -= 1
        self._go("arm" if self._left > 0 else "idle")

    def _go(self, state: str) -> None:
        self.state = state
        self._changed()
