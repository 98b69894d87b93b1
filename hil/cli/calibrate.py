"""`hil calibrate`."""

from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hil.cli.outcome import examples, json_option, print_json, reported_errors, stderr


@click.command(
    "calibrate",
    epilog=examples(
        "hil calibrate",
        "hil calibrate mybench.toml --route bench --devices 10 -o wired.json",
        "hil calibrate mybench.toml --route bench --devices 8 --width 2e-8 --width 2e-7 --width 2e-6",
        "hil calibrate --cycles 6 --json",
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
    help="Parameter file; the raw data go beside it.",
)
@json_option
def command(
    bench: Path | None,
    route: str,
    devices: int,
    cycles: int,
    amplitude_v: float,
    widths_s: tuple[float, ...],
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Learn the device parameters of a bench, through its instruments alone. Moves the walls of the chosen devices.

    Runs a staircase: so many pushes, as many pulls, over and over, read after each step, at several pulse widths. The
    result, with 95 % intervals, is what `hil train --parameters` needs.
    """
    from calibration import Route, StaircaseConfig, calibrate, parameter_table
    from drivers import Bench, load_bench

    with reported_errors(as_json=as_json):
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
        parameters = result.save(output)
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
