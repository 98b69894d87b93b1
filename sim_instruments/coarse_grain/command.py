"""`python -m sim_instruments coarse-grain`: derive the compact model from a finer one."""

import json
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import click

from sim_instruments.coarse_grain.error import CoarseGrainError
from sim_instruments.config import BenchFileError, read_bench_file
from sim_instruments.sample import SampleConfig

_EXAMPLES = """\b
Examples:
  python -m sim_instruments coarse-grain hopping.toml --amplitude 1.5 --width 1e-7
  python -m sim_instruments coarse-grain hopping.toml --amplitude 1.5 --width 1e-7 \\
      --also-amplitude 1.3 --also-amplitude 1.7 --devices 4096 --output fast.toml
  python -m sim_instruments coarse-grain --amplitude 1.5 --width 1e-7 --json
"""

_ELSEWHERE = (0.9, 1.1)
"""Other amplitudes over the first, where none is given."""


@click.command("coarse-grain", epilog=_EXAMPLES)
@click.argument("bench", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--amplitude", "amplitude_v", type=click.FloatRange(0, min_open=True), required=True, help="Of the pulse, V."
)
@click.option("--width", "width_s", type=click.FloatRange(0, min_open=True), required=True, help="Of the pulse, s.")
@click.option(
    "--also-amplitude",
    "also_amplitudes_v",
    type=click.FloatRange(0, min_open=True),
    multiple=True,
    help="Another amplitude, for the threshold; may be given more than once.  [default: 0.9 and 1.1 of --amplitude]",
)
@click.option("--devices", default=2048, show_default=True, help="Walls.")
@click.option("--pulses", default=256, show_default=True, help="Pulses per wall and staircase, at most.")
@click.option("--seed", type=click.IntRange(0), help="Of the walls.  [default: the bench file's]")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("compact.toml"),
    show_default=True,
    help="The preset.",
)
@click.option("--force", is_flag=True, help="Overwrite the preset if it is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def coarse_grain(
    bench: Path | None,
    amplitude_v: float,
    width_s: float,
    also_amplitudes_v: tuple[float, ...],
    devices: int,
    pulses: int,
    seed: int | None,
    output: Path,
    *,
    force: bool,
    as_json: bool,
) -> None:
    """Derive the compact model from the walls of a bench file, for one pulse, and write it as a preset.

    Sends staircases of single pulses, and pushes and pulls by turns, to many walls in the middle of the track, and
    derives mean, noise, memory, threshold, step law and the spreads from device to device, each with a 95 % interval.
    `preset = "compact.toml"` in the [sample.wall] of a bench file loads the outcome.
    """
    if output.exists() and not force:
        raise click.ClickException(f"{output} is there already: choose another --output, or --force to overwrite it")
    # Only now: the commands that need no statistics start without scipy.
    from rich.console import Console

    from sim_instruments.coarse_grain.derive import derive
    from sim_instruments.coarse_grain.experiment import Plan, measure
    from sim_instruments.coarse_grain.preset import wall_table, write_preset
    from sim_instruments.coarse_grain.report import derivation_table, print_derived

    try:
        sample = _sample(bench)
        plan = Plan(
            amplitude_v=amplitude_v,
            width_s=width_s,
            also_amplitudes_v=also_amplitudes_v or tuple(float(f"{amplitude_v * f:.6g}") for f in _ELSEWHERE),
            devices=devices,
            pulses=pulses,
            seed=sample.seed if seed is None else seed,
        )
        with _bar() as on_pulse:
            measured = measure(sample.wall, plan, on_pulse)
        derived = derive(measured)
    except (BenchFileError, CoarseGrainError) as error:
        raise click.ClickException(str(error)) from error
    wall = wall_table(derived.parameters)
    about = derivation_table(derived, plan, wall_table(sample.wall), _command(click.get_current_context()))
    write_preset(output, wall, about)
    if as_json:
        click.echo(json.dumps({"preset": str(output), "wall": wall, "derived": about}))
        return
    print_derived(Console(), derived)
    click.echo(f"written: {output}")


def _sample(bench: Path | None) -> SampleConfig:
    if bench is not None:
        return read_bench_file(bench).sample
    with as_file(files("sim_instruments") / "benches" / "default.toml") as path:
        return read_bench_file(path).sample


def _command(context: click.Context) -> str:
    """Return the command line that does this again, defaults written out."""
    words = ["python", "-m", "sim_instruments", "coarse-grain"]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        if isinstance(parameter, click.Argument):
            words += [str(value)] if value is not None else []
        elif isinstance(parameter, click.Option) and not parameter.is_flag and value is not None:
            values = value if isinstance(value, tuple) else (value,)
            words += [word for one in values for word in (parameter.opts[0], str(one))]
    return shlex.join(words)


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = ("pulses", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("pulses", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
