"""Judges of single instruments, without a library around them: a message is refused, or it is noted as sent."""

from collections.abc import Callable

import pytest
from pydantic import TypeAdapter

from drivers.entries import InstrumentEntry
from drivers.errors import LimitError
from drivers.guard.rules.table import screen_for
from drivers.guard.screen import Screen

CLEAN = {"bnc-577": b"ok\r\n"}
LIMITS = {
    "pulses": {"amplitude_v": [0.1, 2.5], "width_s": [2e-8, 2e-6], "burst_energy_j": 2e-8},
    "source": {"voltage_v": [-0.2, 0.2], "compliance_a": [1e-6, 1e-3]},
    "577": {"amplitude_v": [2.0, 2.5], "width_s": [2e-8, 2e-6], "burst_energy_j": 2e-8},
}
_ENTRY: TypeAdapter[InstrumentEntry] = TypeAdapter(InstrumentEntry)


def entry_of(model: str, **changes: object) -> InstrumentEntry:
    table: dict[str, object] = {"name": "it", "model": model, "address": "GPIB0::1::INSTR"}
    if model.startswith("keithley-7"):
        pass
    elif model == "dwa-1":
        table |= {"write_resistance_ohm": 2000.0, "limits": LIMITS["pulses"]}
    elif model.startswith(("keithley", "keysight-b29")):
        table |= {"limits": LIMITS["source"]}
    else:
        table |= {"load_ohm": 2000.0, "limits": LIMITS["577" if model == "bnc-577" else "pulses"]}
    return _ENTRY.validate_python(table | changes)


class Judge:
    """One instrument that always obeys, behind its judge."""

    def __init__(self, model: str, **changes: object) -> None:
        self.model = model
        self.entry = entry_of(model, **changes)
        self.screen: Screen = screen_for(self.entry, "lab.toml")

    def __call__(self, *messages: str | bytes, reply: bytes | None = None) -> None:
        """Send messages; each is answered as by an instrument that refused nothing, or as `reply` says."""
        for message in messages:
            verdict = self.screen.judge(message.encode() if isinstance(message, str) else message)
            self.screen.sent(verdict)
            if verdict.reply is not None:
                answer = reply or CLEAN.get(self.model, b'0\t"x"' if "26" in self.model else b'+0,"No error"\n')
                self.screen.replied(verdict.reply, answer, self.screen.pending())

    def refuses(self, message: str | bytes, match: str | None = None) -> None:
        with pytest.raises(LimitError, match=match):
            self(message)


@pytest.fixture
def judge() -> Callable[..., Judge]:
    return Judge
