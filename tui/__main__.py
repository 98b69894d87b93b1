"""`python -m tui RUN`: the monitor without the rest of the command line."""

import re
import shutil
import sys
from pathlib import Path

import click

from tui.app import monitor
from tui.screenshot import save_screenshot, screen_text


def _parsed_size(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d+)x(\d+)", value)
    if match is None or not (40 <= int(match[1]) <= 500 and 12 <= int(match[2]) <= 200):
        raise click.BadParameter("give columns x rows, such as 120x36, from 40x12 to 500x200")
    return int(match[1]), int(match[2])


@click.command(epilog="Example: python -m tui runs/20261123-181002 --screenshot monitor.svg --size 120x36")
@click.argument("run", type=click.Path(file_okay=False, path_type=Path))
@click.option("--screenshot", type=click.Path(dir_okay=False, path_type=Path), help="Write a .svg or .png and end.")
@click.option("--once", is_flag=True, help="Print the screen as text and end.")
@click.option("--size", callback=_parsed_size, help="Columns x rows of the picture; this terminal's by default.")
def main(run: Path, screenshot: Path | None, once: bool, size: tuple[int, int] | None) -> None:
    """Watch the run directory RUN. The run is not touched; RUN may appear later."""
    columns, rows = size or shutil.get_terminal_size((120, 36))
    try:
        if screenshot is not None:
            save_screenshot(run, screenshot, columns, rows)
        elif once:
            click.echo(screen_text(run, columns, rows))
        else:
            monitor(run)
    except (OSError, ValueError, RuntimeError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="python -m tui")
