"""Tables without lines, whole when they go into a file or a pipe."""

from rich.console import Console
from rich.table import Table

_WIDE = 240


def plain_table(*heads: str, whole: tuple[str, ...] = ()) -> Table:
    """Return an empty table; the columns named in `whole` never break their cells."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, no_wrap=head in whole, overflow="ignore" if head in whole else "fold")
    return table


def show(table: Table) -> None:
    """Print a table on standard output, at the terminal's width; into a pipe or file, as wide as it is."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    console.print(table)
