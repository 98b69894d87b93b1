"""`hil export-shots`."""

from pathlib import Path

import rich_click as click

from hil.cli.outcome import examples, json_option, print_json, reported_errors, stderr


@click.command(
    "export-shots",
    epilog=examples(
        "hil export-shots dwell.shots -o dwell.parquet",
        "hil export-shots dwell.shots -o dwell.h5",
        "hil export-shots dwell.parquet -o dwell.csv --json",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write; its suffix says how: .h5, .parquet or .csv.",
)
@json_option
def command(file: Path, output: Path, as_json: bool) -> None:
    """Write the raw shots of an experiment as HDF5, Parquet or CSV, with where they come from and their hash."""
    from calibration.shots import digest, export, load_experiment

    with reported_errors(as_json=as_json):
        experiment = load_experiment(file)
        export(experiment, output)
        if as_json:
            print_json(
                {
                    "ok": True,
                    "file": str(output),
                    "kind": experiment.origin.kind,
                    "shots": len(experiment.shots),
                    "sha256": digest.sha256(experiment),
                }
            )
        else:
            stderr.print(f"{len(experiment.shots)} shots written to {output}", style="dim", highlight=False)
