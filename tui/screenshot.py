"""A picture of the monitor without a terminal: SVG, PNG or plain text."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from tui.app import MonitorApp
from tui.watcher import Clock, wall_clock

_FONT = "DejaVu Sans Mono"
"""Has the braille and block characters; a font without them would leave holes in the PNG."""


def save_screenshot(run_directory: Path, target: Path, columns: int, rows: int, clock: Clock = wall_clock) -> None:
    """Write a picture of a run's monitor.

    Args:
        run_directory: the run directory.
        target: the file to write, `.svg` or `.png`.
        columns: width of the terminal to draw.
        rows: height of the terminal to draw.
        clock: tells the time in seconds since 1970.

    Raises:
        FileNotFoundError: there is no such run directory.
        ValueError: the target is neither `.svg` nor `.png`.
        RuntimeError: a PNG was asked for and resvg-py is not installed.
    """
    if target.suffix not in (".svg", ".png"):
        raise ValueError(f"cannot write {target.name}: give a file name that ends in .svg or .png")
    svg = _drawn(run_directory, columns, rows, clock, lambda app: app.export_screenshot(title=app.TITLE))
    if target.suffix == ".svg":
        target.write_text(svg, encoding="utf-8")
    else:
        target.write_bytes(png(svg))


def screen_text(run_directory: Path, columns: int, rows: int, clock: Clock = wall_clock) -> str:
    """Return the monitor of a run as lines of text.

    Raises:
        FileNotFoundError: there is no such run directory.
    """
    return _drawn(run_directory, columns, rows, clock, text_of)


def text_of(app: MonitorApp) -> str:
    """Return what the screen of a running app shows."""
    strips = app.screen._compositor.render_strips()  # noqa: SLF001 - Textual exports SVG only
    return "\n".join(strip.text.rstrip() for strip in strips)


def png(svg: str) -> bytes:
    """Return a screenshot as PNG.

    Raises:
        RuntimeError: resvg-py is not installed.
    """
    try:
        import resvg_py
    except ImportError as error:
        raise RuntimeError("a PNG needs resvg-py: pip install resvg-py, or write an .svg") from error
    return resvg_py.svg_to_bytes(svg_string=svg, monospace_family=_FONT, font_family=_FONT)


def _drawn(run_directory: Path, columns: int, rows: int, clock: Clock, export: Callable[[MonitorApp], str]) -> str:
    if not run_directory.is_dir():
        raise FileNotFoundError(f"no run directory {run_directory}: give the folder that holds run.json")
    app = MonitorApp(run_directory, clock, follows=False)
    exported: list[str] = []

    async def draw(pilot: Pilot[object]) -> None:
        await pilot.pause()
        app.poll()
        await pilot.pause()
        exported.append(export(app))
        app.exit()

    asyncio.run(app.run_async(headless=True, size=(columns, rows), auto_pilot=draw))
    return exported[0]
