"""Status registers beside those of IEEE 488.2: condition, transition filters, event and enable, as SCPI-99 has them."""

from typing import final

from sim_instruments.scpi_parameter import Integer
from sim_instruments.scpi_setting import setting
from sim_instruments.scpi_tree import Command

_ALL = 0x7FFF
_WORD = Integer(low=0, high=0xFFFF)


@final
class RegisterSet:
    """One register structure, such as `STATus:QUEStionable`, as it is after power-on."""

    def __init__(self) -> None:
        self.condition = 0
        """Bits that say how things are now."""
        self.event = 0
        """Bits of what happened since they were last read."""
        self.enable = 0
        """Bits of the event register that show in the summary."""
        self.rising = _ALL
        """Bits whose rise is an event."""
        self.falling = 0
        """Bits whose fall is an event."""

    @property
    def has_summary(self) -> bool:
        """Return whether an enabled event waits."""
        return bool(self.event & self.enable)

    def set_condition(self, bits: int) -> None:
        """Say how things are now; changes become events as the filters want it."""
        risen, fallen = bits & ~self.condition, self.condition & ~bits
        self.event |= risen & self.rising | fallen & self.falling
        self.condition = bits

    def note(self, bits: int) -> None:
        """Note something that happened and left no condition behind."""
        self.event |= bits & self.rising

    def take_event(self) -> int:
        """Return the event register and clear it."""
        event, self.event = self.event, 0
        return event

    def clear(self) -> None:
        """Do what *CLS does: clear the events."""
        self.event = 0

    def preset(self) -> None:
        """Do what STATus:PRESet does: disable every bit and restore the filters."""
        self.enable = 0
        self.rising, self.falling = _ALL, 0

    def commands(self, pattern: str) -> tuple[Command, ...]:
        """Return the commands of this register, `pattern` being its header: `:STATus:QUEStionable`."""
        return (
            Command(f"{pattern}[:EVENt]?", lambda: str(self.take_event())),
            Command(f"{pattern}:CONDition?", lambda: str(self.condition)),
            *setting(f"{pattern}:ENABle", _WORD, lambda: str(self.enable), self._set_enable),
            *setting(f"{pattern}:PTRansition", _WORD, lambda: str(self.rising), self._set_rising),
            *setting(f"{pattern}:NTRansition", _WORD, lambda: str(self.falling), self._set_falling),
        )

    def _set_enable(self, bits: int) -> None:
        self.enable = bits & _ALL

    def _set_rising(self, bits: int) -> None:
        self.rising = bits & _ALL

    def _set_falling(self, bits: int) -> None:
        self.falling = bits & _ALL
