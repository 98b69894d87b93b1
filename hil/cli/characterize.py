"""`hil characterize`."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click
from rich.console import Console

from hil.cli.outcome import examples, json_option, print_json, reported_errors, stderr
from hil.cli.tables import show_table, with_prefix
from hil.cli.waiting import waiting_bar

if TYPE_CHECKING:
    from calibration.characterize import Characterization, Plan
    from drivers import Bench

# Written out, so that help does not import what experiments need; a test compares.
EXPERIMENTS = (
    "staircase",
    "doublets",
    "amplitude-sweep",
    "width-sweep",
    "s-curve",
    "dwell",
    "r-j-loop",
    "i-v",
    "noise",
    "retention",
    "read-disturb",
    "endurance",
)


@click.command(
    "characterize",
    epilog=examples(
        "hil characterize staircase --devices 200 --dry-run",
        "hil characterize staircase --devices 200 --width 1e-7 --set pulses=1 --set steps=100",
        "hil characterize s-curve mybench.toml --route bench --devices 4 --amplitude 0.8 --amplitude 0.9",
        "hil characterize retention --set places=0.3,0.7 --set last_s=1e4 -o retention.shots",
        "hil characterize endurance mybench.toml --resume endurance.shots",
    ),
)
@click.argument("experiment", type=click.Choice(EXPERIMENTS))
@click.argument("bench", required=False, type=click.Path(path_type=Path))
@click.option(
    "--route",
    type=click.Choice(["array", "bench"]),
    default=None,
    help="Through the array controller, or through pulse generator, switch and source-measure unit.  [default: array; "
    "bench for i-v]",
)
@click.option(
    "--devices",
    type=int,
    default=64,
    show_default=True,
    help="Devices, drawn at random; on the bench route at most those wired.",
)
@click.option(
    "--amplitude",
    "amplitudes_v",
    type=float,
    multiple=True,
    metavar="VOLTS",
    help="Pulse amplitude; several where the experiment takes several.",
)
@click.option(
    "--width",
    "widths_s",
    type=float,
    multiple=True,
    metavar="SECONDS",
    help="Pulse width; several where the experiment takes several.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any other setting, such as cycles=5, places=0.3,0.7 or bringing.width_s=2e-6; --dry-run shows them all.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="Chooses devices and the order of what is shuffled."
)
@click.option(
    "--dry-run", is_flag=True, help="Say what it takes: pulses, readings, messages, time, energy. Moves nothing."
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Continue the experiment whose shots are in this file, with its settings.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File of the shots; the report goes beside it.  [default: EXPERIMENT.shots]",
)
@json_option
def command(
    experiment: str,
    bench: Path | None,
    route: str | None,
    devices: int,
    amplitudes_v: tuple[float, ...],
    widths_s: tuple[float, ...],
    changes: tuple[str, ...],
    seed: int,
    dry_run: bool,
    resume: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Carry out one experiment on chosen devices, keep every shot, and say what it shows. Moves their walls.

    The shots go to a file as they are made: after a kill or Ctrl-C, --resume continues, looks first, and makes no step
    again that may have been fired. `hil export-shots` writes them as HDF5, Parquet or CSV.
    """
    from calibration.characterize import Access, plan_again, plan_experiment
    from calibration.protocols import PROTOCOLS, Route, protocol_from
    from calibration.shots import ShotStore
    from drivers import Bench, load_bench
    from drivers.errors import ConfigError

    with reported_errors(as_json=as_json):
        path = resume or output or Path(f"{experiment}.shots")
        description = load_bench(bench)
        if resume is not None:
            if amplitudes_v or widths_s or changes or output:
                raise ConfigError("--resume continues with the settings and the file it began with: give no others")
            with ShotStore.open(path) as store, Bench.open(description) as opened:
                if store.origin.kind != experiment:
                    raise ConfigError(f"{path} holds shots of {store.origin.kind}, not of {experiment}")
                plan = plan_again(opened, store.origin)
                result = None if dry_run else _carry_out(opened, plan, store, path, resume=True)
        else:
            kind = PROTOCOLS[experiment]
            settings = _settings([field.name for field in fields(kind)], amplitudes_v, widths_s, changes, kind())
            protocol = protocol_from(experiment, settings)
            way = Route(route) if route else (Route.ARRAY if Route.ARRAY in protocol.routes else Route.BENCH)
            access = Access(route=way, devices=devices, seed=seed)
            with Bench.open(description) as opened:
                plan = plan_experiment(opened, protocol, access)
                result = None
                if not dry_run:
                    with ShotStore.create(path, plan.origin) as store:
                        result = _carry_out(opened, plan, store, path, resume=False)
        if result is None:
            _show_cost(plan, as_json=as_json)
        else:
            _conclude(result, path, as_json=as_json)


def _carry_out(opened: "Bench", plan: "Plan", store: Any, path: Path, *, resume: bool) -> "Characterization":
    from calibration.characterize import characterize

    try:
        with waiting_bar(plan.protocol.kind) as progress:
            return characterize(opened, plan, store, resume=resume, progress=progress)
    except BaseException:
        stderr.print(f"the shots so far are in {path}; --resume {path} continues", markup=False, highlight=False)
        raise


def _settings(
    names: Sequence[str],
    amplitudes_v: tuple[float, ...],
    widths_s: tuple[float, ...],
    changes: tuple[str, ...],
    default: Any,
) -> dict[str, Any]:
    """Return what the options say of the settings of an experiment."""
    from drivers.errors import ConfigError

    settings: dict[str, Any] = {}
    for change in changes:
        name, is_change, text = change.partition("=")
        if not is_change:
            raise ConfigError(f"--set {change}: write NAME=VALUE, such as --set cycles=5")
        first, _, second = name.partition(".")
        if second:
            settings.setdefault(first, {})[second] = text
        else:
            settings[name] = text.split(",") if isinstance(getattr(default, name, None), tuple) else text
    for option, values, one, several in (
        ("--amplitude", amplitudes_v, "amplitude_v", "amplitudes_v"),
        ("--width", widths_s, "width_s", "widths_s"),
    ):
        if not values:
            continue
        if several in names:
            settings[several] = list(values)
        elif one in names and len(values) == 1:
            settings[one] = values[0]
        else:
            why = "takes one" if one in names else f"has no {one}; its settings are {', '.join(names)}, see --set"
            raise ConfigError(f"{option}: this experiment {why}")
    return settings


def _show_cost(plan: "Plan", *, as_json: bool) -> None:
    cost, settings = plan.cost(), dict(plan.origin.settings)
    devices = settings.pop("devices")
    if as_json:
        print_json(
            {
                "ok": True,
                "experiment": plan.protocol.kind,
                "route": plan.access.route.value,
                "devices": devices,
                "steps": plan.steps,
                "settings": settings,
                "least": cost.least,
                "most": cost.most,
            }
        )
        return
    for name, value in settings.items():
        if isinstance(value, dict):
            for inner, one in value.items():
                stderr.print(f"{name}.{inner} = {one}", style="dim", markup=False, highlight=False)
        elif name != "steps_each":
            words = ",".join(map(str, value)) if isinstance(value, list) else value
            stderr.print(f"{name} = {words}", style="dim", markup=False, highlight=False)
    rows = [
        ("pulses at each device", f"{cost.least.pulses}", f"{cost.most.pulses}"),
        ("readings of each device", f"{cost.least.readings}", f"{cost.most.readings}"),
        ("messages, about", f"{cost.least.messages}", f"{cost.most.messages}"),
        ("time, about", with_prefix(cost.least.time_s, "s"), with_prefix(cost.most.time_s, "s")),
        ("energy of the pulses", with_prefix(cost.least.energy_j, "J"), with_prefix(cost.most.energy_j, "J")),
    ]
    show_table((f"{plan.protocol.kind}, {len(devices)} devices, {plan.steps} steps", "at least", "at most"), rows)


def _conclude(result: "Characterization", path: Path, *, as_json: bool) -> None:
    from calibration.analysis import analyse
    from calibration.report_page import findings_table, write_report
    from drivers.errors import DeviceFault

    experiment = result.experiment
    report = path.with_suffix(".html")
    try:
        findings = analyse(experiment)
    except DeviceFault as fault:
        findings, complaint = None, str(fault)
    else:
        complaint = None
        write_report(findings, experiment, report)
    if as_json:
        print_json(
            {
                "ok": True,
                "experiment": experiment.origin.kind,
                "file": str(path),
                "report": None if findings is None else str(report),
                "shots": len(experiment.shots),
                "devices": [int(device) for device in experiment.devices],
                "given_up": {str(device): reason for device, reason in result.given_up.items()},
                "step_in_doubt": result.in_doubt,
                "findings": None if findings is None else findings.as_json(),
                "not_analysed": complaint,
            }
        )
        return
    if findings is not None:
        Console().print(findings_table(findings))
    for device, reason in result.given_up.items():
        stderr.print(f"device {device} was given up: {reason}", style="yellow", markup=False, highlight=False)
    if result.in_doubt is not None:
        stderr.print(f"step {result.in_doubt} may have been fired before and was left out", style="yellow")
    if complaint is not None:
        stderr.print(f"not analysed: {complaint}", style="yellow", markup=False, highlight=False)
    else:
        stderr.print(f"report written to {report}", style="dim", highlight=False)
    stderr.print(f"{len(experiment.shots)} shots written to {path}", style="dim", highlight=False)
