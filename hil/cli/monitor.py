"""`hil monitor`."""

import importlib.metadata
from pathlib import Path

import rich_click as click

from drivers.errors import ConfigError
from hil.cli.outcome import examples, print_json, reported_errors


@click.command(
    "monitor",
    epilog=examples(
        "hil monitor",
        "hil monitor runs/2026-11-24T10-00-00_devices_1a2b",
        "hil monitor --screenshot run.svg --size 160x50",
    ),
)
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--runs",
    default=Path("runs"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where runs are, if none is named.",
)
@click.option(
    "--screenshot", type=click.Path(path_type=Path), help="Write the screen to this .svg or .png file and leave."
)
@click.option("--size", default="120x36", show_default=True, help="Columns x rows of the screenshot.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's status as one JSON object and leave.")
def command(run: Path | None, runs: Path, screenshot: Path | None, size: str, as_json: bool) -> None:
    """Watch a run in the terminal; without RUN, the one started last. Leaving the monitor does not touch the run."""
    from hil.telemetry import RunReader, find_latest_run

    with reported_errors(as_json=as_json):
        directory = run or find_latest_run(runs)
        if directory is None or not directory.is_dir():
            raise ConfigError(f"no run found at {run or runs}: start one with `hil train`, or name its directory")
        if as_json:
            reader = RunReader(directory)
            reader.poll()
            print_json({"ok": True, "run_dir": str(directory), "status": reader.status, "last_step": reader.last_step})
        elif screenshot is not None:
            columns, rows = _parse_size(size)
            try:
                screenshot.parent.mkdir(parents=True, exist_ok=True)
                _registered("screenshot")(directory, screenshot, columns, rows)
            except (OSError, ValueError, RuntimeError) as error:
                raise ConfigError(f"--screenshot {screenshot}: {error}") from error
        else:
            _registered("textual")(directory)


def _registered(name: str):
    """Return a function of the monitor package, which is above this one and registers itself."""
    for point in importlib.metadata.entry_points(group="domainwall_hil.monitor", name=name):
        return point.load()
    raise ConfigError("no monitor is registered: install domainwall-hil again")


def _parse_size(size: str) -> tuple[int, int]:
    columns, _, rows = size.partition("x")
    if not (columns.isdigit() and rows.isdigit() and int(columns) >= 40 and int(rows) >= 12):
        raise ConfigError(f"--size {size}: write columns x rows, at least 40x12, for example 120x36")
    return int(columns), int(rows)
