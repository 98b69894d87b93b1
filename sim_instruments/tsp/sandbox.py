"""Lua for TSP messages, with everything dangerous taken out and everything else bounded.

Lua 5.4 rather than the instrument's 5.0, and PUC Lua rather than LuaJIT: it honours count hooks and memory limits,
collects its garbage before it gives up for lack of memory, refuses byte code, and is the line that still gets its
faults mended (5.1 lets a call with few arguments write beyond its stack). A message therefore may use syntax that the
instrument's own Lua does not have (`//`, `goto`, `&`); what the instrument understands, it understands too, but for
`pcall` and `xpcall` (no script can outlive its limit), coroutines, metatables, patterns and sorting.

What holds:

* No Python object is in reach: `prelude.lua` calls the few functions that it is given from closures, and they take and
  return numbers, strings, booleans and nil, and never raise.
* A message runs for at most `INSTRUCTIONS` instructions and `SECONDS` of processor time. Measurements, which take an
  instrument time too, have `MEASURING_SECONDS` of their own: thousands of readings one by one, or millions at once.
  The interpreter, with all that earlier messages left in it, holds at most `MEMORY_BYTES`.
* After a breach the interpreter is thrown away and a new one built: scripts and variables are gone, as after a power
  cycle. The instrument's settings are in Python, and stay.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, final

from lupa import lua54

from sim_instruments.scpi_error import ScpiError
from sim_instruments.tsp.vocabulary import Argument, Node, Result, Value, Vocabulary

MEMORY_BYTES: Final = 4_000_000
INSTRUCTIONS: Final = 2_000_000
SECONDS: Final = 0.05
MEASURING_SECONDS: Final = 0.25

_HOOK_EVERY = 100
_PRELUDE = files("sim_instruments.tsp").joinpath("prelude.lua").read_text("utf-8")
_PLACE = re.compile(r"[^:\n]*:([0-9]+): (.*)", re.DOTALL)
_SPOKEN = re.compile(r"[\t\n\r -~]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the sandbox needs of the instrument around it."""

    say: Callable[[str], None]
    """Puts a line into the output queue, or raises `ScpiError`."""
    text_of: Callable[[float], str]
    """Writes a number as the instrument does."""
    report: Callable[[ScpiError], None]
    """Puts an error into the queue."""
    now_s: Callable[[], float]
    """Returns the simulated time."""


@final
class Sandbox:
    """One instrument's interpreter."""

    def __init__(self, vocabulary: Vocabulary, host: Host) -> None:
        self._vocabulary = vocabulary
        self._host = host
        self._names = _listed(vocabulary)
        self._ends_s = 0.0
        self._measuring_s = 0.0
        self._bug: BaseException | None = None
        self._build()

    def run(self, source: str, name: str = "stdin") -> None:
        """Run a message or script; what is wrong with it goes into the error queue. May move walls."""
        self._in_lua(self._run, source, name)

    def keep(self, source: str, name: str) -> None:
        """Compile a script and keep it under a global name, to be run by `name()` or `name.run()`."""
        self._in_lua(self._keep, source, name)

    @property
    def memory_bytes(self) -> int:
        """Return what the interpreter holds, bytes."""
        return int(self._lua.get_memory_used())

    def _build(self) -> None:
        build: Any = lua54.LuaRuntime
        self._lua: Any = build(
            encoding="latin-1",
            register_eval=False,
            register_builtins=False,
            unpack_returned_tuples=True,
            attribute_filter=_refuse,
            max_memory=MEMORY_BYTES,
        )
        self._run, self._keep = self._lua.execute(
            _PRELUDE,
            self._names,
            self._guarded(self._get),
            self._guarded(self._set),
            self._guarded(self._element),
            self._guarded(self._call),
            self._guarded(lambda value: (self._host.text_of(value),)),
            self._guarded(lambda line: (self._host.say(line),)),
            self._is_over,
            _HOOK_EVERY,
            INSTRUCTIONS,
        )

    def _in_lua(self, function: Callable[[str, str], tuple[str, str]], source: str, name: str) -> None:
        if not _SPOKEN.fullmatch(source):
            self._host.report(ScpiError(-101, "a message is printable ASCII"))
            return
        self._ends_s = time.thread_time() + SECONDS
        self._measuring_s = MEASURING_SECONDS
        self._bug = None
        try:
            outcome, words = function(source, name)
        except (lua54.LuaError, MemoryError):
            # Raised outside the message itself, as when there is no memory left to say what is wrong.
            outcome, words = "breach", ""
        if self._bug is not None:
            raise self._bug
        if outcome == "breach" or "not enough memory" in words:
            self._build()
            self._host.report(ScpiError(-286, text="TSP Runtime error: script took too long or too much memory"))
        elif outcome != "ok":
            self._host.report(_fault(outcome, words))

    def _is_over(self) -> bool:
        return time.thread_time() > self._ends_s

    def _guarded(self, function: Callable[..., tuple[Value, ...]]) -> Callable[..., tuple[Value, ...]]:
        """Return what Lua may call: it never raises, for Lua would get hold of the exception."""

        def call(*arguments: Value) -> tuple[Value, ...]:
            began_s, simulated_s = time.thread_time(), self._host.now_s()
            try:
                return (True, *(_scalar(value) for value in function(*arguments)))
            except ScpiError as error:
                # Most errors do not stop a script: only those of Lua itself do.
                self._host.report(error)
                return (True,)
            except _ScriptStopError as fault:
                return (False, str(fault))
            except BaseException as bug:  # noqa: BLE001
                self._bug = bug
                return (False, "internal error")
            finally:
                if self._host.now_s() > simulated_s:
                    paid_s = min(time.thread_time() - began_s, self._measuring_s)
                    self._measuring_s -= paid_s
                    self._ends_s += paid_s

        return call

    def _get(self, path: str) -> tuple[Value, ...]:
        return (self._vocabulary.attributes[path].get(),)

    def _set(self, path: str, kind: str, value: Value) -> tuple[Value, ...]:
        setter = self._vocabulary.attributes[path].set
        if setter is None:
            raise _ScriptStopError(f"{path} is read only")
        setter(_decoded(kind, value))
        return ()

    def _element(self, path: str, index: float) -> tuple[Value, ...]:
        if not (abs(index) < 1e9 and index == int(index)):
            return (None,)
        return (self._vocabulary.elements[path](int(index)),)

    def _call(self, path: str, kinds: str, *values: Value) -> tuple[Value, ...]:
        arguments = tuple(_decoded(kind, value) for kind, value in zip(kinds, values, strict=True))
        result: Result = self._vocabulary.functions[path](*arguments)
        return result if isinstance(result, tuple) else (result,)


class _ScriptStopError(Exception):
    """What stops a script."""


def _refuse(_owner: object, name: object, _is_setting: bool) -> str:
    raise AttributeError(f"{name} is out of reach")


def _scalar(value: Value) -> Value:
    """Return a value that Lua has a type for; anything else would reach it as a Python object."""
    if value is None or type(value) in (bool, str, float):
        return value
    if isinstance(value, int | float):
        return float(value)
    raise TypeError(f"{type(value).__name__} may not cross into Lua")


def _decoded(kind: str, value: Value) -> Argument:
    if kind == "o":
        return Node(str(value))
    if kind == "l":
        return tuple(float(item) for item in str(value).split(",")) if value else ()
    if kind == "0":
        return None
    return value


def _listed(vocabulary: Vocabulary) -> str:
    lines = [f"e {path} \n" for path in vocabulary.elements]
    lines += [f"a {path} \n" for path in vocabulary.attributes]
    lines += [f"f {path} \n" for path in vocabulary.functions]
    lines += [f"c {path} {value!r}\n" for path, value in vocabulary.constants.items()]
    return "".join(lines)


def _fault(outcome: str, words: str) -> ScpiError:
    place = _PLACE.fullmatch(words)
    line, what = (place[1], place[2]) if place else ("1", words)
    what = "".join(letter if " " <= letter <= "~" else "?" for letter in what)
    if outcome == "syntax":
        return ScpiError(-285, text=f"TSP Syntax error at line {line}: {what}")
    return ScpiError(-286, text=f"TSP Runtime error at line {line}: {what}")
