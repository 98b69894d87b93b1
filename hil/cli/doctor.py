"""`hil doctor`."""

from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hil.cli.outcome import EXIT_FAILED, examples, json_option, print_json, reported_errors


@click.command(
    "doctor",
    epilog=examples(
        "hil doctor",
        "hil doctor mybench.toml --json",
    ),
)
@click.argument("bench", required=False, type=click.Path(path_type=Path))
@json_option
def command(bench: Path | None, as_json: bool) -> None:
    """Check the installation, the plug-ins and the bench: what works, what does not, how to mend it.

    Moves no wall and switches nothing on. Exit code 1 if a check fails.
    """
    from hil.doctor import diagnose

    with reported_errors(as_json=as_json):
        diagnosis = diagnose(bench)
    if as_json:
        print_json(diagnosis)
    else:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        for check in diagnosis.checks:
            mark = Text("ok", "green") if check.ok else Text("FAILED", "bold red")
            detail = check.detail if check.ok else f"{check.detail}\n-> {check.remedy}"
            table.add_row(mark, Text(check.name), Text(detail))
        Console().print(table)
    raise SystemExit(0 if diagnosis.ok else EXIT_FAILED)
