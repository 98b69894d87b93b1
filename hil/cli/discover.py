"""`hil discover`."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from rich.text import Text

from hil.cli.outcome import examples, json_option, print_json, reported_errors, stderr
from hil.cli.tables import show_table
from hil.cli.waiting import waiting_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers import Found


@click.command(
    "discover",
    epilog=examples(
        "hil discover",
        "hil discover mybench.toml",
        "hil discover --library @py --serial --json",
    ),
)
@click.argument("bench", required=False, type=click.Path(path_type=Path))
@click.option("--library", help="PyVISA library to search instead of the bench's, such as @py or @ivi.")
@click.option("--serial", "serial_ports", is_flag=True, help="Ask serial ports too; not every device bears it.")
@json_option
def command(bench: Path | None, library: str | None, serial_ports: bool, as_json: bool) -> None:
    """List the VISA resources that a library finds and the bench file names, and who answers there.

    Each is given one second, several are asked at once. Changes no setting. `driver` is the model to write into a bench
    file.
    """
    from drivers import discover, load_bench

    with reported_errors(as_json=as_json):
        # A library of one's own and no bench: the bench that ships has nothing to do with it.
        config = None if library is not None and bench is None else load_bench(bench)
        searched = library if library is not None else config.library if config else ""
        # What a library says about itself, such as that a package of its own is missing, is told in a line at the end.
        with waiting_bar("asking") as progress, warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UserWarning)
            found = discover(searched, serial_ports=serial_ports, bench=config, progress=progress)
    if as_json:
        print_json({"ok": True, "library": searched, "resources": [_as_json(item) for item in found]})
    else:
        _show(found, searched, serial_ports=serial_ports)
    for remark in dict.fromkeys(str(item.message) for item in remarks):
        stderr.print(f"the library remarks: {remark}", style="dim", markup=False, highlight=False, soft_wrap=True)


def _show(found: "Sequence[Found]", library: str, *, serial_ports: bool) -> None:
    heads = ("resource", "name", "maker", "model", "serial", "driver", "reachable")
    rows: list[tuple[str | Text, ...]] = []
    for item in found:
        who = item.fields
        if who is not None:
            cells = (who.manufacturer, who.model, who.serial, item.driver or "none")
        else:
            cells = (item.identity or "", "", "", "none" if item.is_reachable else "")
        answer = Text("yes", "green") if item.is_reachable else Text("no", "red")
        rows.append((item.resource, item.name or "", *cells, answer))
    if found:
        show_table(heads, rows, breaks=("maker",))
    else:
        stderr.print(
            f"nothing found with the library {library or 'PyVISA chose'!r}. Network instruments are seldom listed: "
            "name them in a bench file and run `hil discover BENCH`",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    for item in found:
        if item.problem is not None:
            stderr.print(f"{item.resource}: {item.problem}", style="red", markup=False, highlight=False, soft_wrap=True)
    if not serial_ports:
        stderr.print("serial ports were not asked: --serial asks them", style="dim")


def _as_json(item: "Found") -> dict[str, object]:
    who = item.fields
    return {
        "resource": item.resource,
        "name": item.name,
        "identity": item.identity,
        "maker": who.manufacturer if who else None,
        "model": who.model if who else None,
        "serial": who.serial if who else None,
        "driver": item.driver,
        "reachable": item.is_reachable,
        "problem": item.problem,
    }
