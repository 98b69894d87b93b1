"""`hil discover`."""

from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hil.cli.outcome import examples, json_option, print_json, reported_errors


@click.command(
    "discover",
    epilog=examples(
        "hil discover",
        "hil discover mybench.toml",
        "hil discover --library @py --json",
    ),
)
@click.argument("bench", required=False, type=click.Path(path_type=Path))
@click.option("--library", help="PyVISA library to search instead of the bench's, such as @py or @ivi.")
@json_option
def command(bench: Path | None, library: str | None, as_json: bool) -> None:
    """List the VISA resources that a bench's library finds, and who answers there. Changes no setting."""
    from drivers import discover, load_bench

    with reported_errors(as_json=as_json):
        found = discover(library or load_bench(bench).library)
    if as_json:
        resources = [{"resource": item.resource, "identity": item.identity, "problem": item.problem} for item in found]
        print_json({"ok": True, "resources": resources})
        return
    table = Table("resource", "identity", box=None, padding=(0, 2, 0, 0))
    for item in found:
        table.add_row(Text(item.resource), Text(item.identity) if item.identity else Text(item.problem or "", "red"))
    Console().print(table)
