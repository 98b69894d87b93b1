"""Twins of the Keysight 33522B and 33622A waveform generators, two channels; channel 1 is wired to the devices.

A bus trigger with burst mode and the output on sends a finite burst of pulses, or so many passes of the arbitrary
waveform, to every device whose crosspoint on the pulse row is closed; a sequence is played up to its next step that
waits. A pulse goes from its base (LOW, or HIGH with inverted polarity) to the other level; the sign of that excursion
decides push or pull, and a base other than zero is not modelled as a drive of its own. The levels of a waveform are
taken as they are: whatever is not 0 V drives the wall.

What repeats without end (no burst mode, an internal trigger, an infinite burst) delivers nothing here, because a wall
driven without end has no defined position. Shapes other than the pulse and the arbitrary waveform deliver nothing,
gates and external triggers have no input, and a setting out of range is refused, where a real one clips some of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from sim_instruments.instrument import Traits, signed_error_reply
from sim_instruments.instruments.keysight_33500b.channel import Channel
from sim_instruments.instruments.keysight_33500b.settings import RATINGS_33500B, RATINGS_33600A, Ratings
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice
from sim_instruments.scpi_setting import setting, switch_setting
from sim_instruments.scpi_text import Text
from sim_instruments.scpi_tree import Command
from sim_instruments.status import Status

_SLOPE = Choice(("POSitive", "NEGative"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shared:
    """Settings that both channels share, as *RST leaves them."""

    sync: bool = True
    sync_source: str = "CH1"
    trigger_out: bool = False
    trigger_out_slope: str = "POS"


@final
class Keysight33500B:
    """Finite bursts of pulses and waveforms from channel 1; channel 2 is an open circuit."""

    def __init__(self, place: Place, ratings: Ratings) -> None:
        self._place = place
        self._ratings = ratings
        self._live_name = f"{ratings.key} {place.serial}"
        self._channels = (Channel(ratings), Channel(ratings))
        self._shared = _Shared()

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        return Traits(
            identity=f"Agilent Technologies,{self._ratings.model},{self._place.serial},{self._ratings.firmware}",
            error_queue_depth=20,
            error_reply=signed_error_reply,
            can_be_locked=True,
        )

    def commands(self, _status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        first, second = self._channels
        return (
            *first.commands("[:SOURce#]", ":OUTPut#", ":TRIGger#"),
            *second.commands(":SOURce2", ":OUTPut2", ":TRIGger2"),
            *switch_setting(":OUTPut#[:STATe]", lambda: first.is_on, self._set_first_output),
            *switch_setting(":OUTPut2[:STATe]", lambda: second.is_on, second.set_output),
            Command(":TRIGger#[:IMMediate]", lambda: first.fire(self._place, self._ratings.key)),
            Command(":TRIGger2[:IMMediate]", lambda: None),
            *self._system(),
        )

    def reset(self) -> None:
        """Outputs off and every setting to its default; waveforms stay."""
        for channel in self._channels:
            channel.reset()
        self._shared = _Shared()
        self._place.wiring.set_live(self._live_name, False)

    def trigger(self) -> None:
        """Send what the channels are armed for. Moves the walls that channel 1 reaches."""
        if not any(channel.takes_bus_triggers for channel in self._channels):
            raise ScpiError(-211, "no trigger source is BUS")
        if self._channels[0].takes_bus_triggers:
            self._channels[0].fire(self._place, self._ratings.key)

    def _set_first_output(self, is_on: bool) -> None:
        self._channels[0].set_output(is_on)
        self._place.wiring.set_live(self._live_name, is_on)

    def _system(self) -> tuple[Command, ...]:
        return (
            *setting(
                ":FORMat:BORDer",
                Choice(("NORMal", "SWAPped")),
                lambda: "SWAP" if self._channels[0].memory.swapped else "NORM",
                self._set_order,
            ),
            *switch_setting(":OUTPut#:SYNC[:STATe]", lambda: self._shared.sync, lambda v: self._set(sync=v)),
            *setting(
                ":OUTPut#:SYNC:SOURce",
                Choice(("CH1", "CH2")),
                lambda: self._shared.sync_source,
                lambda v: self._set(sync_source=v),
            ),
            *switch_setting(
                ":OUTPut#:TRIGger[:STATe]", lambda: self._shared.trigger_out, lambda v: self._set(trigger_out=v)
            ),
            *setting(
                ":OUTPut#:TRIGger:SLOPe",
                _SLOPE,
                lambda: self._shared.trigger_out_slope,
                lambda v: self._set(trigger_out_slope=v),
            ),
            Command("[:SOURce#]:PHASe:SYNChronize", lambda: None),
            Command(":SYSTem:BEEPer[:IMMediate]", lambda: None),
            Command(":DISPlay:TEXT", lambda _text: None, (Text(),)),
            Command(":DISPlay:TEXT:CLEar", lambda: None),
            Command("*OPT?", lambda: "0"),
        )

    def _set_order(self, order: str) -> None:
        for channel in self._channels:
            channel.memory.swapped = order == "SWAP"

    def _set(self, **changes: object) -> None:
        self._shared = replace(self._shared, **changes)


def keysight_33500b(place: Place) -> Keysight33500B:
    """Build a 33522B."""
    return Keysight33500B(place, RATINGS_33500B)


def keysight_33600a(place: Place) -> Keysight33500B:
    """Build a 33622A."""
    return Keysight33500B(place, RATINGS_33600A)
