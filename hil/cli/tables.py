"""Tables without lines: whole in a file or a pipe, a block for each row where a terminal is too narrow."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 240
_READABLE = 12
_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))


def show_table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]], *, breaks: Sequence[str] = ()) -> None:
    """Print a table on standard output.

    Args:
        heads: names of the columns.
        rows: cells; a text may carry a style.
        breaks: columns whose cells may go over several lines.
    """
    cells = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    widths = [max((len(line) for line in column), default=0) for column in zip(map(Text, heads), *cells, strict=True)]
    least = sum(
        min(width, _READABLE) + 2 if head in breaks else width + 2 for head, width in zip(heads, widths, strict=True)
    )
    if least > console.width:
        _show_blocks(console, heads, cells)
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, no_wrap=head not in breaks, overflow="fold")
    for row in cells:
        table.add_row(*row)
    console.print(table)


def with_prefix(value: float, unit: str) -> str:
    """Return a value as it is said at a bench, such as 20 ns; one without a unit is a count and is written out."""
    if not unit:
        return f"{value:.12g}"
    for factor, prefix in _PREFIXES:
        if abs(value) >= factor:
            return f"{value / factor:.6g} {prefix}{unit}"
    return f"{value:.6g} {unit}"


def _show_blocks(console: Console, heads: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    indent = max(map(len, heads)) + 4
    for first, *others in rows:
        console.print(first.copy().append("", "bold"), soft_wrap=True)
        for head, cell in zip(heads[1:], others, strict=True):
            if cell.plain:
                console.print(Text.assemble(f"  {head}".ljust(indent), cell), soft_wrap=True)
