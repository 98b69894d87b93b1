"""Try every clause on one controller, one after the other, and leave it with its output off."""

import time
from collections.abc import Callable
from contextlib import suppress

from drivers import scpi
from drivers.conformance import messages, patterns, reading, settings
from drivers.conformance.controller import Controller, Deviation, Untried, WallsPlan
from drivers.conformance.outcome import Check, Outcome, Report, Verdict
from drivers.errors import ConfigError, HilError, LinkError, SafeStateError
from drivers.link import Link
from drivers.protocols import Identity
from drivers.visa_library import VisaLibrary

CHECKS = (*messages.CHECKS, *settings.CHECKS, *patterns.CHECKS, *reading.CHECKS)
"""Every check in the order of the page."""

_LEAST_DEVICES = 4


def check_controller(
    library: str,
    resource: str,
    plan: WallsPlan,
    *,
    may_move: bool,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _text: None,
) -> Report:
    """Try every clause. Resets the controller, clears its error queue and, if allowed, moves walls of chosen devices.

    Args:
        library: PyVISA library specification. No guard stands between: malformed messages are the point.
        resource: VISA resource name of the controller.
        plan: devices and pulses of the checks that fire.
        may_move: whether the output may be switched on; without it, the clauses that need it are skipped.
        progress: told the number of checks done, their total, and the next one's title.

    Raises:
        ConfigError: if the plan does not fit the array.
        LinkError: if nothing answers at the address.
        SafeStateError: if the output cannot be confirmed off at the end.
    """
    link = Link(VisaLibrary.open(library), resource)
    try:
        identity = _identify(link)
        controller = Controller(link, plan)
        _check_plan(controller)
        outcomes: list[Outcome] = []
        try:
            for index, check in enumerate(CHECKS):
                progress(index, len(CHECKS), f"{check.clause} {check.title}")
                outcomes.append(_outcome(controller, check, may_move=may_move))
            progress(len(CHECKS), len(CHECKS), "")
        finally:
            _leave_safe(controller)
        return Report(resource=resource, identity=identity, outcomes=tuple(outcomes))
    finally:
        link.close()


def _identify(link: Link) -> Identity | None:
    with suppress(HilError):
        return scpi.parse_identity(link.identify())
    link.distrust()
    link.resynchronise()
    return None


def _check_plan(controller: Controller) -> None:
    plan = controller.plan
    size = controller.size()
    if plan.count < _LEAST_DEVICES or plan.first < 0 or plan.first + plan.count > size:
        raise ConfigError(
            f"devices {plan.first} to {plan.first + plan.count - 1} will not do: "
            f"take at least {_LEAST_DEVICES} of the {size}"
        )


def _outcome(controller: Controller, check: Check, *, may_move: bool) -> Outcome:
    began_s = time.monotonic()
    verdict, detail = Verdict.SKIPPED, "it switches the output on, which was not allowed"
    if may_move or not check.needs_output:
        verdict, detail = _tried(controller, check)
    return Outcome(
        clause=check.clause,
        title=check.title,
        verdict=verdict,
        detail=detail,
        duration_s=time.monotonic() - began_s,
    )


def _tried(controller: Controller, check: Check) -> tuple[Verdict, str]:
    try:
        controller.settle()
        figure = check.attempt(controller)
    except Untried as reason:
        return Verdict.SKIPPED, str(reason)
    except Deviation as deviation:
        return Verdict.FAILED, str(deviation)
    except LinkError as error:
        controller.link.distrust()
        notes = "; ".join((str(error), *getattr(error, "__notes__", ())))
        return Verdict.FAILED, f"no proper answer: {notes}"
    return Verdict.PASSED, figure or ""


def _leave_safe(controller: Controller) -> None:
    try:
        controller.settle()
        controller.send("*RST;*CLS")
        controller.expect("OUTP?", 0)
    except (HilError, Deviation) as error:
        raise SafeStateError(
            f"{controller.link.address} could not be confirmed off after the checks: {error}; cut its power by hand"
        ) from error
