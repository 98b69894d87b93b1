"""The prompt of `hil scpi`: history kept between sessions, completion of headers seen before."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from hil.cli.outcome import stderr

_HEADER = re.compile(r"[:*]?[A-Za-z][A-Za-z0-9_.:]*\??")
_WORD = re.compile(r"[^;,\s]*$")
_COMMON = ("*IDN?", "*RST", "*CLS", "*ESR?", "*STB?", "*OPC?", "*TST?", ":SYSTem:ERRor?")


@final
class SeenHeaders(Completer):
    """Completes the common commands, the console's own, and every header in the history."""

    def __init__(self, history: History, own_commands: Iterable[str]) -> None:
        self._history = history
        self._always = (*_COMMON, *own_commands)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Return what the word before the cursor may become."""
        found = _WORD.search(document.text_before_cursor)
        start = found.group() if found else ""
        known = set(self._always)
        for line in self._history.get_strings():
            known.update(_HEADER.findall(line))
        for header in sorted(known):
            if start and header.upper().startswith(start.upper()) and header != start:
                yield Completion(header, start_position=-len(start))


def history_file() -> Path:
    """Return where the history is kept."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "domainwall-hil" / "scpi-history"


def open_prompt(own_commands: Iterable[str]) -> PromptSession[str]:
    """Return a prompt; without a place to write, its history ends with the session."""
    history: History = InMemoryHistory()
    try:
        path = history_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        history = FileHistory(str(path))
    except OSError as error:
        stderr.print(f"no history: {error}", style="dim", markup=False, highlight=False)
    completer = SeenHeaders(history, own_commands)
    return PromptSession(history=history, completer=completer, complete_while_typing=False)
