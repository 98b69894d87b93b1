"""A guarded instrument, the twin behind it, and what has been seen."""

import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pyvisa

import sim_instruments
from drivers.config import load_bench
from drivers.errors import LimitError
from drivers.guard.library import GuardVisaLibrary
from guard_programs.author import Program
from guard_programs.dwa import NEXT_TAG
from guard_programs.judge import judge_pulses, judge_source
from guard_programs.limits import QUARRY, PulseLimits

_MESSAGE_AVAILABLE = 16
_UNREAD_EVERY = 9


class Rig:
    """Runs programs, each on an instrument that was reset and that somebody else changed since.

    Args:
        model: the instrument.
        folder: where its bench files go; no other rig may use it.
        is_guarded: False leaves the guard out, to see that the judge sees something.
    """

    def __init__(self, model: str, folder: Path, *, is_guarded: bool = True) -> None:
        self.model = model
        self.seen: Counter[str] = Counter()
        self._quarry = QUARRY[model]
        folder.mkdir(parents=True, exist_ok=True)
        self._guard = GuardVisaLibrary.around(load_bench(_bench_files(model, folder)))
        self._manager = pyvisa.ResourceManager(self._guard)
        self._library: Any = self._guard if is_guarded else self._guard.inner
        bench = self._guard.bench
        bench.wiring.close([(1, 1, 1)])
        self._ledger = bench.sample.ledger
        self._twin = bench.instruments[self._quarry.address]
        self._session, _ = self._library.open(self._manager.session, self._quarry.address)
        self._is_serial = self._quarry.address.startswith("ASRL")

    def close(self) -> None:
        """Close the library."""
        self._manager.close()

    def ask(self, message: bytes) -> str:
        """Ask the twin past the guard."""
        self._twin.receive(message + b"\n", has_end=True)
        reply = b""
        while (chunk := self._twin.send(1 << 20, has_end=False)) is not None:
            reply += chunk.data
        return reply.decode("latin-1").strip()

    def run(self, program: Program) -> None:
        """Run a program; raise AssertionError at the first message that brings the instrument beyond a limit."""
        self._library.clear(self._session)
        for message in (b"*RST", *program.foreign, b"*CLS"):
            self.ask(message)
        # The guard has seen none of that: it knows as little as when it was opened.
        for port in self._guard._ports.values():
            port.screen.lost()
        self.seen["programs"] += 1
        for message in program.messages:
            self.seen["messages"] += 1
            try:
                self._say(message)
            except AssertionError as error:
                raise AssertionError(f"{self.model} went beyond its limits at {message!r} of {program!r}") from error

    def _say(self, message: bytes) -> None:
        if NEXT_TAG in message and self.model == "dwa-1":
            message = message.replace(NEXT_TAG, b"%d" % (int(self.ask(b"PATT:TAG?")) + 1))
        self._ledger.entries.clear()
        before = self._ledger.push_pulses, self._ledger.pull_pulses
        try:
            if message == b"GET":
                self._library.assert_trigger(self._session, pyvisa.constants.TriggerProtocol.default)
            else:
                self._library.write(self._session, message)
        except LimitError:
            self.seen["refused"] += 1
            assert (self._ledger.push_pulses, self._ledger.pull_pulses) == before
            return
        except pyvisa.VisaIOError:
            pass
        self.seen["sent"] += 1
        limits = self._quarry.limits
        if isinstance(limits, PulseLimits):
            self._judge_pulses(limits, message)
            # Now and then a program does not read, and finds the reply later. What a source shows must be asked, which
            # drops replies.
            chance = zlib.crc32(message) % _UNREAD_EVERY
            if chance:
                self._read_replies(all_of_them=chance < _UNREAD_EVERY / 2)
            else:
                self.seen["unread"] += 1
        else:
            self._read_replies(all_of_them=True)
            self.seen["on"] += judge_source(limits, self.model, self.ask)

    def _judge_pulses(self, limits: PulseLimits, message: bytes) -> None:
        if self._ledger.entries:
            self.seen["fired"] += 1
            self.seen["pulses"] += sum(entry.push_pulses + entry.pull_pulses for entry in self._ledger.entries)
            judge_pulses(limits, list(self._ledger.entries), max(1, message.upper().count(b"*TRG")))

    def _read_replies(self, *, all_of_them: bool) -> None:
        if self._is_serial:
            # A serial line has no status byte, and replies wait one behind the other.
            try:
                self._library.read(self._session, 1 << 20)
                while all_of_them:
                    self._library.read(self._session, 1 << 20)
            except pyvisa.VisaIOError:
                pass
            return
        # Asked for without need, a reply would itself be an error of the instrument.
        while self._library.read_stb(self._session)[0] & _MESSAGE_AVAILABLE:
            self._library.read(self._session, 1 << 20)


def _bench_files(model: str, folder: Path) -> Path:
    """Write a simulated bench with one instrument and 64 devices, and the bench file that limits it."""
    address, limits = QUARRY[model].address, QUARRY[model].limits
    default = (Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text("utf-8")
    before, _, after = default.replace("devices = 11_534_336", "devices = 64").partition("[[instrument]]")
    wiring = after[after.index("[wiring]") : after.index("\ndevices = [")] + "\ndevices = [5, 6]\n"
    (folder / "sim.toml").write_text(
        f'{before}[[instrument]]\nmodel = "{model}"\naddress = "{address}"\nserial = "1"\n\n{wiring}', "utf-8"
    )
    bench = folder / "bench.toml"
    bench.write_text(
        f'[bench]\nname = "judged"\nlibrary = "sim.toml@domainwall"\n\n[[instrument]]\nname = "it"\n'
        f'model = "{model}"\naddress = "{address}"\n{limits.table()}',
        "utf-8",
    )
    return bench
