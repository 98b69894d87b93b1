"""Status registers of the Keithley 2400."""

from typing import final

from sim_instruments.instrument import plain_error_reply
from sim_instruments.scpi_status_registers import RegisterSet
from sim_instruments.scpi_tree import Command
from sim_instruments.status import Status

# Bits of the operation event register.
_SWEEPING, _WAITS_FOR_TRIGGER, _WAITS_FOR_ARM, _IDLE = 1 << 3, 1 << 5, 1 << 6, 1 << 10
# Bits of the measurement event register.
_READING_AVAILABLE, _READING_OVERFLOW = 1 << 6, 1 << 7
_IN_COMPLIANCE = 1 << 14

_MEASUREMENT_SUMMARY, _QUESTIONABLE_SUMMARY, _OPERATION_SUMMARY = 1, 8, 128


@final
class Registers:
    """The register sets below the status byte."""

    def __init__(self) -> None:
        self.measurement = RegisterSet()
        """Readings, limits and the buffer."""
        self._questionable = RegisterSet()
        self._operation = RegisterSet()

    def commands(self, status: Status) -> tuple[Command, ...]:
        """Return the commands of the STATus subsystem; *CLS clears the registers from now on."""
        for registers in (self.measurement, self._questionable, self._operation):
            status.also_clear(registers.clear)
        return (
            *self.measurement.commands(":STATus:MEASurement"),
            *self._questionable.commands(":STATus:QUEStionable"),
            *self._operation.commands(":STATus:OPERation"),
            Command(":STATus:PRESet", self._preset),
            Command(":STATus:QUEue[:NEXT]?", lambda: plain_error_reply(status.next_error())),
            Command(":STATus:QUEue:CLEar", status.clear_errors),
        )

    def show_trigger(self, state: str) -> None:
        """Tell where the trigger model is: `idle`, or which layer waits."""
        self._operation.set_condition({"idle": _IDLE, "arm": _WAITS_FOR_ARM, "trigger": _WAITS_FOR_TRIGGER}[state])

    def note_sweep(self) -> None:
        """Tell that a sweep ran."""
        self._operation.note(_SWEEPING)

    def note_readings(self, *, is_over: bool, is_limited: bool) -> None:
        """Tell that there are readings, and whether one overflowed or was in compliance."""
        over, limited = _READING_OVERFLOW if is_over else 0, _IN_COMPLIANCE if is_limited else 0
        self.measurement.note(_READING_AVAILABLE | over | limited)

    def summary_bits(self) -> int:
        """Return the bits of the status byte that sum the registers up."""
        measurement = _MEASUREMENT_SUMMARY if self.measurement.has_summary else 0
        questionable = _QUESTIONABLE_SUMMARY if self._questionable.has_summary else 0
        return measurement | questionable | (_OPERATION_SUMMARY if self._operation.has_summary else 0)

    def _preset(self) -> None:
        for registers in (self.measurement, self._questionable, self._operation):
            registers.preset()
