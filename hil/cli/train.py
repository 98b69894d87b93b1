"""`hil train`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from rich.table import Table

from hil.cli.outcome import EXIT_INTERRUPTED, examples, json_option, print_json, reported_errors, stderr
from hil.cli.progress import ProgressListener, duration, quantity

if TYPE_CHECKING:
    from hil.summary import Summary


@click.command(
    "train",
    epilog=examples(
        "hil train --calibrate",
        "hil train --calibrate --data train.npz --test-data test.npz --epochs 2",
        "hil train run.toml --parameters parameters.json",
        "hil train run.toml --calibrate --set sampler.temperature=1e-4 --json",
    ),
)
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--bench", type=click.Path(path_type=Path), help="Bench file; the simulated bench if not given.")
@click.option("--parameters", type=click.Path(path_type=Path), help="Device parameters from `hil calibrate`.")
@click.option("--calibrate", is_flag=True, help="Calibrate the array first.")
@click.option("--digital", is_flag=True, help="Ideal floating-point SGLD instead of devices, for comparison.")
@click.option(
    "--data", "train_file", type=click.Path(path_type=Path), help="Training images, an .npz file with x and y."
)
@click.option("--test-data", "test_file", type=click.Path(path_type=Path), help="Test images, the same.")
@click.option("--epochs", type=int, help="Passes over the training images.")
@click.option("--seed", type=int, help="Seed of everything random on this side of the instruments.")
@click.option(
    "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one setting of the run file."
)
@click.option(
    "--runs", default=Path("runs"), show_default=True, type=click.Path(path_type=Path), help="Where run directories go."
)
@json_option
def command(
    run: Path | None,
    bench: Path | None,
    parameters: Path | None,
    calibrate: bool,
    digital: bool,
    train_file: Path | None,
    test_file: Path | None,
    epochs: int | None,
    seed: int | None,
    overrides: tuple[str, ...],
    runs: Path,
    as_json: bool,
) -> None:
    """Train ResNet-18 by SGLD, every weight a domain-wall device, every update pulses through the bench.

    RUN is a TOML file; without one, the embedded handwritten digits are used. Ctrl-C stops after the step under way,
    switches the outputs off and leaves a readable run directory; a second Ctrl-C interrupts at once.
    """
    from hil import run_directory
    from hil.config import load_run
    from hil.stop import StopRequest
    from hil.train import train

    options = _as_overrides(bench, parameters, calibrate, digital, train_file, test_file, epochs, seed)
    with reported_errors(as_json=as_json), StopRequest() as stop:
        config = load_run(run, (*options, *overrides))
        directory = run_directory.create(runs, "digital" if config.digital else "devices")
        stderr.print(f"run directory {directory}", style="dim", highlight=False)
        try:
            with ProgressListener(stderr) as listener:
                summary = train(config, run_dir=directory, listener=listener, stop=stop)
        finally:
            run_directory.remove_if_empty(directory)
        if as_json:
            print_json(summary)
        else:
            stderr.print(_table(summary))
    if stop.requested:
        raise SystemExit(EXIT_INTERRUPTED)


def _as_overrides(
    bench: Path | None,
    parameters: Path | None,
    calibrate: bool,
    digital: bool,
    train_file: Path | None,
    test_file: Path | None,
    epochs: int | None,
    seed: int | None,
) -> list[str]:
    values = {
        "bench": bench,
        "parameters": parameters,
        "calibrate": "true" if calibrate else None,
        "digital": "true" if digital else None,
        "data.source": "'npz'" if train_file or test_file else None,
        "data.train": train_file,
        "data.test": test_file,
        "epochs": epochs,
        "seed": seed,
    }
    return [
        # A JSON string is a TOML string, whatever characters a path has.
        f"{key}={json.dumps(str(value))}" if isinstance(value, Path) else f"{key}={value}"
        for key, value in values.items()
        if value is not None
    ]


def _table(summary: "Summary") -> Table:
    times = summary.step_time_s

    def percent(value: float | None) -> str:
        return "-" if value is None else f"{value:.2%}"

    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False, title=f"run {summary.state}", title_justify="left")
    table.add_column()
    table.add_column(overflow="fold")
    table.add_row("run directory", summary.run_dir)
    table.add_row("data, model", f"{summary.dataset}, {summary.model}, {summary.precision}")
    table.add_row("devices", "none: floating-point weights" if summary.digital else f"{summary.devices:,}")
    table.add_row("steps", f"{summary.steps} in {summary.epochs} epochs, {duration(summary.seconds)}")
    table.add_row("test accuracy", percent(summary.test_accuracy), style="bold")
    table.add_row("train loss", "-" if summary.train_loss is None else f"{summary.train_loss:.4f}")
    table.add_row("step size, temperature", f"{summary.step_size:g}, {summary.temperature:g}")
    table.add_row(
        "step time",
        f"{1e3 * times.median:.0f} ms: read {1e3 * times.read:.1f}, "
        f"forward and backward {1e3 * times.forward_backward:.0f}, "
        f"compile {1e3 * times.compile:.1f}, program {1e3 * times.program:.1f}",
    )
    ratio = summary.hil_overhead_ratio
    table.add_row("update loop / forward+backward", "-" if ratio is None else f"{ratio:.3f}")
    if not summary.digital:
        table.add_row("update precision", f"{summary.update_bits} bits")
        table.add_row("pulses, energy", f"{summary.pulses_total:,}, {quantity(summary.energy_j)}J")
        table.add_row("outside the exactly feasible region", percent(summary.infeasible_fraction))
        table.add_row(
            "clipped, saturated, at an end",
            " ".join(
                percent(x) for x in (summary.clipped_fraction, summary.saturated_fraction, summary.end_stop_fraction)
            ),
        )
        if summary.open_devices or summary.short_devices:
            table.add_row("masked", f"{summary.open_devices:,} open, {summary.short_devices:,} short devices")
    return table
