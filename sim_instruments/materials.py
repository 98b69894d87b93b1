"""`python -m sim_instruments materials`: the presets, every number with its source."""

import json

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sim_instruments.physics.presets import Preset, preset, preset_names

_EXAMPLES = """\b
Examples:
  python -m sim_instruments materials
  python -m sim_instruments materials w-cofeb-mgo --json
"""

_UNITS = {
    "_a_m": "A/m",
    "_j_m": "J/m",
    "_j_m2": "J/m^2",
    "_j_m3": "J/m^3",
    "_m": "m",
    "_t": "T",
    "_k": "K",
    "_m_s": "m/s",
    "_ohm_m": "Ohm m",
}


@click.command(epilog=_EXAMPLES)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def materials(names: tuple[str, ...], as_json: bool) -> None:
    """Print materials that a bench file may name, with a source for every number.

    Without NAME, all of them. "reported" is given in the source named, "derived" computed from such numbers,
    "placeholder" of a plausible size and nothing more.
    """
    try:
        chosen = {name: preset(name) for name in names or preset_names()}
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps({name: found.model_dump() for name, found in chosen.items()}))
        return
    console = Console()
    for name, found in chosen.items():
        console.print(_table(name, found))


def unit(key: str) -> str:
    """Return the unit that a key ends with, empty for a pure number."""
    endings = [ending for ending in _UNITS if key.endswith(ending)]
    return _UNITS[max(endings, key=len)] if endings else ""


def _table(name: str, found: Preset) -> Table:
    table = Table(title=f"{name}: {escape(found.title)}", title_justify="left", expand=True)
    table.add_column("table")
    table.add_column("key", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("source", ratio=1)
    for part, numbers in (("material", found.material), ("pinning", found.pinning), ("write_line", found.line)):
        for key, number in numbers.items():
            value = f"{number.value:g} {unit(key)}".strip()
            style = "yellow" if number.status == "placeholder" else ""
            table.add_row(part, key, value, f"[{style}]{number.status}[/]" if style else number.status, number.source)
    return table
