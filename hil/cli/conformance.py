"""`hil conformance`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click import confirm
from rich.console import Console
from rich.text import Text

from hil.cli.outcome import EXIT_FAILED, examples, json_option, print_json, reported_errors, stderr
from hil.cli.tables import show_table, with_prefix
from hil.cli.waiting import waiting_bar

if TYPE_CHECKING:
    from drivers.conformance import Report, WallsPlan

_STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


@click.command(
    "conformance",
    epilog=examples(
        "hil conformance TCPIP0::192.168.0.20::hislip0::INSTR --library @py",
        "hil conformance array --bench mybench.toml --yes --devices 0:16",
        "hil conformance array --yes --json",
    ),
)
@click.argument("resource")
@click.option(
    "--bench",
    type=click.Path(path_type=Path),
    help="Bench file: its library, its names as RESOURCE, its limits. Absent: the bench that ships.",
)
@click.option("--library", help="PyVISA library instead of the bench's, such as @py.")
@click.option(
    "--devices",
    default="0:16",
    show_default=True,
    metavar="FIRST:COUNT",
    help="Devices that may be moved.",
)
@click.option("--amplitude", "amplitude_v", type=float, default=1.0, show_default=True, help="Of its pulses, volts.")
@click.option("--width", "width_s", type=float, default=100e-9, show_default=True, help="Of its pulses, seconds.")
@click.option("--yes/--no", "may_move", default=None, help="Move walls without asking; or never. Absent: ask.")
@json_option
def command(
    resource: str,
    bench: Path | None,
    library: str | None,
    devices: str,
    amplitude_v: float,
    width_s: float,
    may_move: bool | None,
    as_json: bool,
) -> None:
    """Check an array controller against docs/array-controller.md, clause by clause.

    RESOURCE is a VISA resource name, or the instrument's name in the bench file. Resets the controller and clears its
    error queue. Clauses about firing move the walls of the chosen devices, by at most some thousand pulses each, after
    --yes or a question. Malformed messages are sent on purpose, so the guard is not in between; the limits of the bench
    file hold for what is fired. Exit code 1 if a clause fails.
    """
    from drivers.conformance import WallsPlan, check_controller
    from drivers.discovery import locate

    with reported_errors(as_json=as_json):
        place = locate(resource, bench, library)
        place.check_is_array()
        first, count = _parse_devices(devices)
        place.check_pulse(amplitude_v, width_s)
        plan = WallsPlan(first=first, count=count, amplitude_v=amplitude_v, width_s=width_s)
        allowed = _ask(place.address, plan) if may_move is None else may_move
        with waiting_bar("checking") as progress:
            report = check_controller(place.library, place.address, plan, may_move=allowed, progress=progress)
    if as_json:
        print_json(_as_json(report))
    else:
        _show(report)
    raise SystemExit(0 if report.conforms else EXIT_FAILED)


def _ask(address: str, plan: "WallsPlan") -> bool:
    if not (stderr.is_terminal and sys.stdin.isatty()):
        return False
    pulse = f"{with_prefix(plan.amplitude_v, 'V')} and {with_prefix(plan.width_s, 's')}"
    return confirm(
        f"Fire pulses of {pulse} at devices {plan.first} to {plan.first + plan.count - 1} of {address}? "
        "This moves their walls",
        default=False,
        err=True,
    )


def _parse_devices(text: str) -> tuple[int, int]:
    from drivers.errors import ConfigError

    first, _, count = text.partition(":")
    if not (first.isdecimal() and count.isdecimal()):
        raise ConfigError(f"--devices {text}: write FIRST:COUNT, for example 0:16")
    return int(first), int(count)


def _show(report: "Report") -> None:
    rows = [
        (item.clause, Text(item.verdict.value, _STYLES[item.verdict.value]), item.title, item.detail)
        for item in report.outcomes
    ]
    show_table(("clause", "verdict", "what", "seen"), rows, breaks=("what", "seen"))
    console = Console()
    counts = [(str(report.count(verdict)), verdict) for verdict in _verdicts()]
    who = report.identity
    name = f"{who.manufacturer} {who.model} {who.serial} ({who.firmware})" if who else "a controller without identity"
    summary = ", ".join(f"{count} {verdict.value}" for count, verdict in counts)
    console.print(f"\n{name} at {report.resource}: {summary}", markup=False, highlight=False, soft_wrap=True)
    if report.conforms:
        console.print("It conforms, as far as it was tried.", style="green")
    else:
        console.print("It does not conform: see docs/array-controller.md, clause by clause.", style="bold red")


def _verdicts():
    from drivers.conformance import Verdict

    return tuple(Verdict)


def _as_json(report: "Report") -> dict[str, object]:
    return {
        "ok": report.conforms,
        "resource": report.resource,
        "identity": report.identity,
        "counts": {verdict.value: report.count(verdict) for verdict in _verdicts()},
        "clauses": report.outcomes,
    }
