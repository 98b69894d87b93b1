"""A look at every instrument of a bench, one by one: who is there, what limits hold, what is wrong and how to mend it.

Switches nothing and moves no wall. Reading an error queue empties it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, cast

from drivers.bench import Bench
from drivers.config import BenchConfig
from drivers.entries import InstrumentEntry
from drivers.errors import ConfigError, HilError, IdentityError, InstrumentBusy, InstrumentError, LinkError
from drivers.limits import Limit
from drivers.model import Driver, Interlock
from drivers.models import MODELS
from drivers.protocols import Identity

CHECK_CABLE: Final = "check address, power and cabling; `hil discover BENCH` shows who answers where"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that is not in order."""

    what: str
    """What was seen."""
    remedy: str
    """What to do about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What was found out about one instrument."""

    name: str
    """Its name in the bench file."""
    model: str
    """Its model in the bench file."""
    title: str
    """Maker and model in words."""
    address: str
    """Its VISA resource name."""
    identity: Identity | None
    """Who answered; None if nobody did."""
    limits: tuple[Limit, ...]
    """The limits in force, with their origins."""
    output: str
    """`on` or `off` as read back, `unknown`, or `none` for an instrument without outputs."""
    errors: tuple[str, ...]
    """What was in its error queue, oldest first."""
    interlock: str | None
    """`closed` or `open`; None where the model does not tell."""
    self_test: str | None
    """What the self test said; None if it was not run."""
    problems: tuple[Problem, ...]
    """What is not in order."""

    @property
    def ok(self) -> bool:
        """Return whether everything is in order."""
        return not self.problems


def inspect_bench(
    config: BenchConfig,
    *,
    self_test: bool = False,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _text: None,
) -> tuple[Inspection, ...]:
    """Look at every instrument, whether or not the others answer. Touches no output.

    Args:
        config: the bench.
        self_test: whether to run self tests too, which take up to a minute each; not on an output that is on.
        progress: told how many are done, how many there are, and the next one's name.

    Raises:
        ConfigError: if the VISA library does not open.
    """
    found = []
    for index, entry in enumerate(config.instruments):
        progress(index, len(config.instruments), entry.name)
        found.append(_inspect(config, entry, self_test=self_test))
    return tuple(found)


def _inspect(config: BenchConfig, entry: InstrumentEntry, *, self_test: bool) -> Inspection:
    title = MODELS[entry.model].title
    unknown = Inspection(
        name=entry.name,
        model=entry.model,
        title=title,
        address=entry.address,
        identity=None,
        limits=(),
        output="unknown",
        errors=(),
        interlock=None,
        self_test=None,
        problems=(),
    )
    try:
        # A bench of this one instrument: another that is missing must not hide it.
        bench = Bench.open(replace(config, instruments=(entry,), wiring=None))
    except LinkError as error:
        return _unopened(unknown, error)
    except ConfigError as error:
        return replace(unknown, problems=(Problem(what=_told(error), remedy="correct the bench file"),))
    try:
        return _examined(unknown, bench, self_test=self_test)
    finally:
        # Closed, not left: leaving would switch off what somebody else may have switched on.
        bench.close()


def _examined(unknown: Inspection, bench: Bench, *, self_test: bool) -> Inspection:
    (instrument,) = bench.instruments
    (status,) = bench.statuses()
    problems: list[Problem] = []
    if status.output == "on":
        problems.append(Problem(what="its output is on", remedy="switch it off unless a run is using it"))
    errors = bench.errors_found[instrument.name]
    if errors:
        remedy = "they are read and so forgotten now; look them up in the manual, and run this again"
        problems.append(Problem(what=f"its error queue held {', '.join(errors)}", remedy=remedy))
    interlock = None
    if (asked := MODELS[unknown.model].interlock) is not None:
        interlock = _interlock(instrument, asked, problems)
    tested = _self_test(instrument.self_test, status.output, problems) if self_test else None
    return replace(
        unknown,
        identity=instrument.identity,
        limits=instrument.limits,
        output=status.output,
        errors=errors,
        interlock=interlock,
        self_test=tested,
        problems=tuple(problems),
    )


def _unopened(unknown: Inspection, error: LinkError) -> Inspection:
    cause = error.__cause__
    failures = cause.exceptions if isinstance(cause, ExceptionGroup) else (error,)
    queue = tuple(entry for failure in failures if isinstance(failure, InstrumentError) for entry in failure.queue)
    problems = tuple(Problem(what=_told(failure), remedy=_remedy(failure)) for failure in failures)
    return replace(unknown, errors=queue, problems=problems)


def _remedy(failure: BaseException) -> str:
    match failure:
        case InstrumentBusy():
            return "end the program that holds it, and run this again"
        case IdentityError():
            return "correct the address, the model or expect_serial in the bench file"
        case InstrumentError():
            return "look the errors up in the manual, switch it off and on, and have it serviced if they come back"
        case LinkError() if _is_missing_software(failure):
            return "install what is missing, or take another library in the bench file's [bench] table"
        case _:
            return CHECK_CABLE


def _is_missing_software(failure: BaseException) -> bool:
    """Return whether pyvisa-py lacks a package for this kind of interface."""
    return "Please install" in str(failure)


def _interlock(instrument: object, asked: Interlock, problems: list[Problem]) -> str | None:
    try:
        # Every driver is one: the protocol that the rest of the toolkit sees leaves the session out.
        is_closed = cast("Driver", instrument).session.ask(asked.query, asked.is_closed)
    except HilError as error:
        problems.append(Problem(what=f"its interlock cannot be read: {_told(error)}", remedy=CHECK_CABLE))
        return None
    if not is_closed:
        problems.append(
            Problem(what="its interlock is open", remedy="close the fixture; high voltages are refused until then")
        )
    return "closed" if is_closed else "open"


def _self_test(run: Callable[[], str], output: str, problems: list[Problem]) -> str | None:
    if output not in ("off", "none"):
        problems.append(
            Problem(what=f"not self-tested, as its output is {output}", remedy="switch it off and run this again")
        )
        return None
    try:
        return run()
    except HilError as error:
        problems.append(Problem(what=_told(error), remedy="switch it off and on; if it fails again, have it serviced"))
        return "failed"


def _told(error: BaseException) -> str:
    lines = (str(error).removesuffix(": resynchronise the link"), *getattr(error, "__notes__", ()))
    # In one line each: what a VISA library says may have several.
    return "; ".join(" ".join(line.split()) for line in lines)
