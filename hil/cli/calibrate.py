"""`hil calibrate`."""

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hil.cli.outcome import examples, json_option, print_json, reported_errors, stderr

if TYPE_CHECKING:
    from calibration import DeviceParameters


@click.command(
    "calibrate",
    epilog=examples(
        "hil calibrate",
        "hil calibrate mybench.toml --route bench --devices 10 -o wired.json",
        "hil calibrate mybench.toml --route bench --devices 8 --width 2e-8 --width 2e-7 --width 2e-6",
        "hil calibrate --cycles 6 --json",
        "hil calibrate --from shots.csv --columns columns.toml -o lab.json",
    ),
)
@click.argument("bench", required=False, type=click.Path(path_type=Path))
@click.option(
    "--route",
    type=click.Choice(["array", "bench"]),
    default="array",
    show_default=True,
    help="Through the array controller, or through pulse generator, switch and source-measure unit.",
)
@click.option(
    "--devices",
    type=int,
    default=512,
    show_default=True,
    help="Devices, drawn at random; on the bench route at most those wired.",
)
@click.option("--cycles", type=int, default=3, show_default=True, help="Staircases at each pulse width.")
@click.option("--amplitude", "amplitude_v", type=float, default=1.5, show_default=True, help="Pulse amplitude, volts.")
@click.option(
    "--width",
    "widths_s",
    type=float,
    multiple=True,
    default=(10e-9, 140e-9, 2e-6),
    show_default=True,
    metavar="SECONDS",
    help="Pulse width; give each, the shortest first.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Chooses devices and their order.")
@click.option(
    "-o",
    "--output",
    default=Path("parameters.json"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Parameter file; measured raw data go beside it.",
)
@click.option(
    "--from",
    "table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Fit shots that were measured elsewhere, CSV or Parquet, instead of measuring; see docs/own-data.md.",
)
@click.option(
    "--columns",
    type=click.Path(path_type=Path),
    metavar="TOML",
    help="With --from: which column is what, in which unit, and what no column says.",
)
@json_option
@click.pass_context
def command(
    context: click.Context,
    bench: Path | None,
    route: str,
    devices: int,
    cycles: int,
    amplitude_v: float,
    widths_s: tuple[float, ...],
    seed: int,
    output: Path,
    table: Path | None,
    columns: Path | None,
    as_json: bool,
) -> None:
    """Learn the device parameters of a bench, through its instruments alone. Moves the walls of the chosen devices.

    Runs a staircase: so many pushes, as many pulls, over and over, read after each step, at several pulse widths. The
    result, with 95 % intervals, is what `hil train --parameters` needs.

    With `--from`, shots that somebody measured are fitted instead, and nothing moves.
    """
    from calibration import Route, StaircaseConfig, calibrate
    from drivers import Bench, load_bench

    with reported_errors(as_json=as_json):
        if table is not None or columns is not None:
            _refuse_measuring(context)
            _print(_imported(table, columns, output), output, as_json=as_json)
            return
        config = StaircaseConfig(
            route=Route(route), devices=devices, cycles=cycles, amplitude_v=amplitude_v, widths_s=widths_s
        )
        description = load_bench(bench)
        with Bench.open(description) as opened, _progress() as bar:
            task = bar.add_task("calibrating", total=None, note="")
            result = calibrate(
                opened,
                config,
                seed=seed,
                progress=lambda done, total, text: bar.update(task, completed=done, total=total, note=text),
            )
        _print(result.save(output), output, as_json=as_json)


def _imported(table: Path | None, columns: Path | None, output: Path) -> "DeviceParameters":
    from calibration.shots import calibrate_table, load_description
    from drivers.errors import ConfigError

    if table is None or columns is None:
        raise ConfigError("--from FILE and --columns TOML belong together; see docs/own-data.md for an example")
    parameters = calibrate_table(table, load_description(columns))
    output.parent.mkdir(parents=True, exist_ok=True)
    if table.resolve().parent != output.resolve().parent:
        # The raw record is named only if it lies beside the parameters; its hash is kept in any case.
        parameters = parameters.model_copy(update={"raw_file": None})
    parameters.save(output)
    return parameters


def _refuse_measuring(context: click.Context) -> None:
    """Refuse options that say how to measure, when nothing is measured."""
    for name in ("bench", "route", "devices", "cycles", "amplitude_v", "widths_s", "seed"):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = next(one for one in context.command.params if one.name == name)
            raise click.UsageError(f"{option.opts[0]} is for measuring; with --from, columns.toml says what is fitted")


def _print(parameters: "DeviceParameters", output: Path, *, as_json: bool) -> None:
    from calibration import parameter_table

    if as_json:
        print_json({"ok": True, "file": str(output), "parameters": parameters.model_dump(mode="json")})
    else:
        Console().print(parameter_table(parameters))
        stderr.print(f"written to {output}", style="dim", highlight=False)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=stderr,
        transient=True,
        disable=not stderr.is_terminal,
    )
