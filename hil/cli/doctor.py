"""`hil doctor`."""

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from rich.console import Console
from rich.text import Text

from hil.cli.outcome import EXIT_FAILED, examples, json_option, print_json, reported_errors
from hil.cli.tables import with_prefix
from hil.cli.waiting import waiting_bar

if TYPE_CHECKING:
    from drivers.inspection import Inspection
    from drivers.limits import Limit
    from hil.doctor import Check


@click.command(
    "doctor",
    epilog=examples(
        "hil doctor",
        "hil doctor mybench.toml --self-test",
        "hil doctor mybench.toml --json",
    ),
)
@click.argument("bench", required=False, type=click.Path(path_type=Path))
@click.option("--self-test", is_flag=True, help="Run each instrument's self test too, unless its output is on.")
@json_option
def command(bench: Path | None, self_test: bool, as_json: bool) -> None:
    """Check the installation, the plug-ins, the bench and each of its instruments: what is wrong, how to mend it.

    For each instrument: identity, limits in force and where they come from, output, error queue (which is emptied by
    reading it), interlock where the model tells. Moves no wall and switches nothing on or off. Exit code 1 if anything
    is not in order.
    """
    from hil.doctor import diagnose

    with reported_errors(as_json=as_json), waiting_bar("looking at") as progress:
        diagnosis = diagnose(bench, self_test=self_test, progress=progress)
    if as_json:
        print_json(diagnosis)
    else:
        console = Console()
        for check in diagnosis.checks:
            _show_check(console, check)
        for instrument in diagnosis.instruments:
            _show_instrument(console, instrument)
        _show_verdict(console, is_ok=diagnosis.ok)
    raise SystemExit(0 if diagnosis.ok else EXIT_FAILED)


def _show_check(console: Console, check: "Check") -> None:
    console.print(_mark(check.ok), Text(f" {check.name}  "), Text(check.detail, "dim"), sep="", soft_wrap=True)
    if not check.ok:
        console.print(Text(f"       -> {check.remedy}"), soft_wrap=True)


def _show_instrument(console: Console, item: "Inspection") -> None:
    console.print()
    head = Text.assemble(_mark(item.ok), " ", (item.name, "bold"), f"  {item.title} at {item.address}")
    console.print(head, soft_wrap=True)
    for what, text in _findings(item):
        console.print(Text(f"       {what:<11}{text}"), soft_wrap=True)
    for problem in item.problems:
        console.print(Text(f"       wrong      {problem.what}", "red"), soft_wrap=True)
        console.print(Text(f"       -> {problem.remedy}"), soft_wrap=True)


def _findings(item: "Inspection") -> list[tuple[str, str]]:
    if item.identity is None:
        return []
    who = item.identity
    found = [("identity", f"{who.manufacturer} {who.model}, serial {who.serial}, firmware {who.firmware}")]
    found += [("limit", _limit(limit)) for limit in item.limits]
    if item.output != "none":
        found.append(("output", item.output))
    if item.interlock is not None:
        found.append(("interlock", item.interlock))
    if not item.errors:
        found.append(("errors", "none"))
    if item.self_test is not None:
        found.append(("self test", item.self_test))
    return found


def _limit(limit: "Limit") -> str:
    low, high = (with_prefix(value, limit.unit) for value in (limit.low, limit.high))
    return f"{limit.quantity} {low} to {high}, by {limit.origin}"


def _mark(is_ok: bool) -> Text:
    return Text("ok    ", "green") if is_ok else Text("FAILED", "bold red")


def _show_verdict(console: Console, *, is_ok: bool) -> None:
    console.print()
    if is_ok:
        console.print("everything is in order", style="green")
    else:
        console.print("not everything is in order: see FAILED above", style="bold red")
