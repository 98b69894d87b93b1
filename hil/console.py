"""The lines that a person or a script gives to `hil scpi`, and what is shown for each."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO, final

from drivers.console import Answer, Console, Leaving
from drivers.errors import ConfigError, HilError, LinkError

HELP = """\
Anything else is sent as it stands; a line with a ? (or a TSP print) waits for its reply.
  :errors            read the instrument's error queue until it is empty
  :clear             device clear, reopen, and prove that replies belong to their questions
  :timeout [SECONDS] show or set how long a reply is waited for
  :help              this
  Ctrl-C             abandon the exchange under way and resynchronise
  Ctrl-D             leave; the output is switched off if a command was sent"""
"""What `:help` prints."""

_LEFT = {
    Leaving.UNTOUCHED: "only questions were asked: left as it was",
    Leaving.SAFE: "output off, as the instrument confirms",
    Leaving.ON: "OUTPUT IS ON and stays on",
    Leaving.OFF: "output off, as it was",
    Leaving.RELAYS: "relays left as they are",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What came of one line."""

    sent: str
    """The line."""
    reply: str | None = None
    """The reply as it is shown; None if none was asked for."""
    block_bytes: int | None = None
    """Length of the reply if it was a block, bytes."""
    duration_s: float | None = None
    """Time the exchange took, seconds."""
    error: str | None = None
    """What went wrong."""

    @property
    def ok(self) -> bool:
        """Return whether nothing went wrong."""
        return self.error is None


@final
class TranscriptFile:
    """Every line and its reply with the time of day, appended to a file and written out at once."""

    def __init__(self, path: Path | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._file: TextIO | None = None
        if path is not None:
            try:
                self._file = path.open("a", encoding="utf-8", buffering=1)
            except OSError as error:
                raise ConfigError(f"cannot write the transcript {path}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def note(self, mark: str, text: str) -> None:
        """Append one line: `->` sent, `<-` received, `!!` wrong, `--` anything else."""
        if self._file is not None:
            moment = self._now().isoformat(timespec="milliseconds")
            self._file.write("".join(f"{moment} {mark} {line}\n" for line in text.split("\n")))


@final
class Shell:
    """Runs lines: the console's own commands, and messages to the instrument."""

    def __init__(self, console: Console, transcript: TranscriptFile) -> None:
        self.console = console
        self._transcript = transcript
        self._own: dict[str, Callable[[str], str]] = {
            ":errors": lambda _: "\n".join(console.errors()) or "the error queue is empty",
            ":clear": lambda _: self._clear(),
            ":timeout": self._timeout,
            ":help": lambda _: HELP,
        }

    @property
    def own_commands(self) -> tuple[str, ...]:
        """Return the commands that are the console's own."""
        return tuple(self._own)

    def run(self, text: str) -> Line:
        """Run one line. May move walls. What goes wrong is in the result; the link is resynchronised if need be."""
        text = text.strip()
        word, _, rest = text.partition(" ")
        self._transcript.note("->", text)
        try:
            line = self._run_own(text, word, rest) if word in self._own else self._send(text)
        except KeyboardInterrupt:
            line = Line(sent=text, error="abandoned: it may have been obeyed all the same" + self._recovered())
        except HilError as error:
            line = Line(sent=text, error=_in_words(error) + self._recovered())
        if line.error is not None:
            self._transcript.note("!!", line.error)
        elif line.reply is not None:
            self._transcript.note("<-", line.reply)
        return line

    def leave(self, *, leave_on: bool) -> str:
        """Make the instrument safe if a command was sent, and return in words how it is left.

        Raises:
            SafeStateError: if it does not confirm that its output is off.
        """
        try:
            words = _LEFT[self.console.leave(leave_on=leave_on)]
        except LinkError as error:
            words = f"ITS OUTPUT MAY BE ON: {_in_words(error)}"
        self._transcript.note("--", words)
        return words

    def _run_own(self, text: str, word: str, rest: str) -> Line:
        return Line(sent=text, reply=self._own[word](rest.strip()))

    def _send(self, text: str) -> Line:
        answer = self.console.exchange(text)
        if answer is None:
            return Line(sent=text)
        return _line(text, answer)

    def _clear(self) -> str:
        self.console.recover()
        return "cleared and resynchronised"

    def _timeout(self, text: str) -> str:
        if text:
            try:
                seconds = float(text.removesuffix("s"))
            except ValueError as error:
                raise ConfigError(f"{text} is no time-out: write seconds, for example `:timeout 20`") from error
            self.console.set_timeout(seconds)
        return f"replies are given {self.console.timeout_s:g} s"

    def _recovered(self) -> str:
        """Bring a link in doubt back and say so, with what the instrument has in its queue."""
        if self.console.is_believable:
            return ""
        try:
            self.console.recover()
            queue = self.console.errors()
        except (HilError, KeyboardInterrupt) as error:
            return f"\nnot resynchronised: {_in_words(error)}; `:clear` tries again"
        return "\nresynchronised" + "".join(f"\nthe instrument reports {entry}" for entry in queue)


def _line(text: str, answer: Answer) -> Line:
    return Line(
        sent=text,
        reply=str(answer),
        block_bytes=None if answer.block is None else len(answer.block),
        duration_s=answer.duration_s,
    )


def _in_words(error: BaseException) -> str:
    words = str(error) or type(error).__name__
    return words.removesuffix(": resynchronise the link")
