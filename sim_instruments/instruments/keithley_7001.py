"""Twins of the Keithley 7001 and 7002 switch mainframes with one 7012 card, a matrix of 4 rows and 10 columns.

The card is in the slot that the bench's wiring names. A scan list opens each channel before it closes the next, or
after it with break-before-make switched off. Not simulated: digital ports, the arm layers, forbidden channels, channel
pairs, the front panel.
"""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from sim_instruments.instrument import Traits
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Expression, Raw
from sim_instruments.scpi_parameter import ChannelList, Choice, Crosspoint, Integer, Real
from sim_instruments.scpi_setting import real_setting, setting, switch_setting
from sim_instruments.scpi_status_registers import RegisterSet
from sim_instruments.scpi_tree import Command
from sim_instruments.status import Status

SLOTS: Final = {"keithley-7001": 2, "keithley-7002": 10}
"""Models and their slots."""

ROWS: Final = 4
COLUMNS: Final = 10
CARD: Final = "C7012"
"""What the card in use is called."""

RELAY_S: Final = 3e-3
"""Time a relay of the card takes to settle, seconds."""

_PATTERNS = 100
_SETTLED = 2  # of the operation register: relays have moved and come to rest
_SETTLING = Real(unit="S", low=0.0, high=99999.999, default=0.0)
_DELAY = Real(unit="S", low=0.0, high=99999.999, default=0.0)
_SOURCE = Choice(("IMMediate", "BUS", "MANual", "TIMer", "EXTernal", "HOLD", "TLINk"))
_COUNT = Integer(low=1, high=9999)
_POLES = Integer(low=1, high=4)


@final
@dataclass(frozen=True, slots=True)
class Location:
    """A place in the memory for channel patterns: `M1` to `M100`."""

    def parse(self, raw: Raw) -> int:
        """Return its number."""
        match = re.fullmatch(r"\(?@?\s*M(\d{1,3})\s*\)?", _text(raw).upper())
        if match is None:
            raise ScpiError(-104, "expected a memory such as M1")
        if not 1 <= int(match[1]) <= _PATTERNS:
            raise ScpiError(-222, f"there is no memory M{match[1]}")
        return int(match[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """Settings as *RST leaves them."""

    scan: tuple[Crosspoint, ...] = ()
    breaks_first: bool = True
    source: str = "IMM"
    count: int = 1
    delay_s: float = 0.0
    timer_s: float = 0.1
    settling_s: float = 0.0
    poles: int = 2


@final
class Keithley7001:
    """Relays of the bench's wiring behind the commands of the 7001 or the 7002.

    Args:
        place: what it is plugged into.
        model: one of `SLOTS`.
    """

    def __init__(self, place: Place, model: str) -> None:
        self._model = model
        self._serial = place.serial
        self._wiring = place.wiring
        self._clock = place.sample.clock
        self._slot = place.wiring.config.slot
        self._settings = _Settings()
        self._patterns: dict[int, tuple[Crosspoint, ...]] = {}
        self._operation, self._questionable = RegisterSet(), RegisterSet()
        self._steps: deque[Crosspoint] = deque()
        self._scanned: Crosspoint | None = None

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        name = self._model.removeprefix("keithley-")
        return Traits(
            identity=f"KEITHLEY INSTRUMENTS INC.,MODEL {name},{self._serial},B01  /A02",
            error_queue_depth=10,
            summary_bits=self._summary_bits,
        )

    def commands(self, status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        slots = range(1, SLOTS[self._model] + 1)
        filled = (self._slot,) if self._slot in slots else ()
        channels = ChannelList(slots=filled, rows=ROWS, columns=COLUMNS)
        for register in (self._operation, self._questionable):
            status.also_clear(register.clear)
        some, some_or_all = (channels,), (replace(channels, allows_all=True),)
        return (
            Command("[:ROUTe]:CLOSe", self._close, some),
            Command("[:ROUTe]:CLOSe?", lambda points: self._flags(points, True), some),
            Command("[:ROUTe]:CLOSe:STATe?", lambda: _listed(self._wiring.closed)),
            Command("[:ROUTe]:OPEN", self._open, some_or_all),
            Command("[:ROUTe]:OPEN?", lambda points: self._flags(points, False), some),
            *setting("[:ROUTe]:SCAN[:INTernal]", channels, lambda: _listed(self._settings.scan), self._set_scan),
            Command("[:ROUTe]:SCAN[:INTernal]:POINts?", lambda: str(len(self._settings.scan))),
            Command("[:ROUTe]:MEMory:SAVE", self._save, (Location(),)),
            Command("[:ROUTe]:MEMory:RECall", self._recall, (Location(),)),
            *switch_setting(
                "[:ROUTe]:CONFigure:BBMake",
                lambda: self._settings.breaks_first,
                lambda is_on: self._change(breaks_first=is_on),
            ),
            *(command for slot in slots for command in self._slot_commands(slot, is_filled=slot in filled)),
            *self._trigger_commands(),
            Command(":SYSTem:PRESet", self.reset),
            *self._operation.commands(":STATus:OPERation"),
            *self._questionable.commands(":STATus:QUEStionable"),
            Command(":STATus:PRESet", self._preset_registers),
            Command(":STATus:QUEue[:NEXT]?", lambda: self._next_error(status)),
        )

    def reset(self) -> None:
        """Open every relay, forget the scan, restore the settings; memories stay."""
        self._steps.clear()
        self._settings = _Settings()
        self._open(self._wiring.closed)

    def trigger(self) -> None:
        """Go on to the next channel of a scan."""
        if not self._steps or self._settings.source != "BUS":
            raise ScpiError(-211, "no scan waits for the bus")
        self._step()

    def _slot_commands(self, slot: int, *, is_filled: bool) -> list[Command]:
        root = f"[:ROUTe]:CONFigure:SLOT{slot}"
        found = [Command(f"{root}:CTYPe?", lambda: CARD if is_filled else "NONE")]
        if is_filled:
            found += real_setting(
                f"{root}:STIMe",
                _SETTLING,
                lambda: self._settings.settling_s,
                lambda seconds: self._change(settling_s=seconds),
            )
            found += setting(f"{root}:POLE", _POLES, lambda: str(self._settings.poles), self._set_poles)
        return found

    def _trigger_commands(self) -> tuple[Command, ...]:
        trigger = ":TRIGger[:SEQuence]"
        return (
            Command(":INITiate[:IMMediate]", self._initiate),
            Command(":ABORt", self._abort),
            Command(f"{trigger}:SIGNal", self._signal),
            *setting(
                f"{trigger}:SOURce", _SOURCE, lambda: self._settings.source, lambda word: self._change(source=word)
            ),
            *setting(
                f"{trigger}:COUNt", _COUNT, lambda: str(self._settings.count), lambda count: self._change(count=count)
            ),
            *real_setting(
                f"{trigger}:DELay", _DELAY, lambda: self._settings.delay_s, lambda delay: self._change(delay_s=delay)
            ),
            *real_setting(
                f"{trigger}:TIMer",
                Real(unit="S", low=0.001, high=99999.999, default=0.1),
                lambda: self._settings.timer_s,
                lambda period: self._change(timer_s=period),
            ),
        )

    def _change(self, **changes: object) -> None:
        self._settings = replace(self._settings, **changes)  # type: ignore[arg-type]

    def _set_scan(self, points: tuple[Crosspoint, ...]) -> None:
        self._require_idle()
        self._change(scan=points)

    def _set_poles(self, poles: int) -> None:
        if poles == 3:
            raise ScpiError(-224, "a channel has 1, 2 or 4 poles")
        self._change(poles=poles)

    def _close(self, points: tuple[Crosspoint, ...]) -> None:
        self._require_idle()
        self._wiring.close(points)
        self._settle()

    def _open(self, points: tuple[Crosspoint, ...]) -> None:
        """Open relays; a scan ends."""
        self._steps.clear()
        self._wiring.open(points)
        self._settle()

    def _settle(self) -> None:
        self._clock.advance(RELAY_S + self._settings.settling_s)
        self._operation.note(_SETTLED)

    def _save(self, location: int) -> None:
        self._patterns[location] = self._wiring.closed

    def _recall(self, location: int) -> None:
        self._require_idle()
        self._wiring.open(self._wiring.closed)
        self._settle()
        self._wiring.close(self._patterns.get(location, ()))
        self._settle()

    def _initiate(self) -> None:
        """Start a scan: one channel for each trigger."""
        self._require_idle()
        if not self._settings.scan:
            raise ScpiError(-221, "the scan list is empty")
        scan = self._settings.scan
        self._wiring.open(point for point in scan if self._wiring.is_closed(point))
        self._scanned = None
        self._steps = deque(scan[step % len(scan)] for step in range(self._settings.count))
        while self._steps and self._settings.source in ("IMM", "TIM"):
            self._step()

    def _signal(self) -> None:
        """Take the place of the event that the scan waits for."""
        if not self._steps:
            raise ScpiError(-211, "no scan waits")
        self._step()

    def _step(self) -> None:
        point = self._steps.popleft()
        left = () if self._scanned in (None, point) else (self._scanned,)
        self._scanned = point
        self._clock.advance(self._settings.timer_s if self._settings.source == "TIM" else 0.0)
        self._clock.advance(self._settings.delay_s)
        if self._settings.breaks_first:
            self._wiring.open(left)
            self._settle()
        self._wiring.close((point,))
        self._settle()
        if not self._settings.breaks_first:
            self._wiring.open(left)
            self._settle()

    def _abort(self) -> None:
        self._steps.clear()

    def _require_idle(self) -> None:
        if self._steps:
            raise ScpiError(-221, "a scan is going on: send ABORt")

    def _preset_registers(self) -> None:
        self._operation.preset()
        self._questionable.preset()

    def _summary_bits(self) -> int:
        return 8 * self._questionable.has_summary + 128 * self._operation.has_summary

    def _flags(self, points: tuple[Crosspoint, ...], wanted: bool) -> str:
        return ",".join(str(int(self._wiring.is_closed(point) is wanted)) for point in points)

    def _next_error(self, status: Status) -> str:
        return self.traits.error_reply(status.next_error())


def _text(raw: Raw) -> str:
    if isinstance(raw, Expression):
        return raw.text
    return raw if isinstance(raw, str) else ""


def _listed(points: Sequence[Crosspoint]) -> str:
    return "(@" + ",".join("!".join(map(str, point)) for point in points) + ")"
