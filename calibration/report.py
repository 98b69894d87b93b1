"""Parameters for a person to read."""

import math

from rich.console import Group
from rich.table import Table
from rich.text import Text

from calibration.estimate import Estimate
from calibration.parameters import SIGNIFICANCE, DeviceParameters

_LABELS = {
    "mu_push": "mean displacement, push",
    "mu_pull": "mean displacement, pull",
    "variance_push": "variance, push",
    "variance_pull": "variance, pull",
    "fano_push": "Fano length, push",
    "fano_pull": "Fano length, pull",
    "dtod_push": "device-to-device spread, push",
    "dtod_pull": "device-to-device spread, pull",
    "read_noise": "read noise",
    "conductance_low_s": "conductance at the low end",
    "conductance_high_s": "conductance at the high end",
}


def parameter_table(parameters: DeviceParameters) -> Group:
    """Return a terminal table of the parameters with their 95 % intervals, and the verdict below it."""
    when = f"{parameters.created:%Y-%m-%d %H:%M} UTC"
    table = Table(
        title=f"{parameters.bench}: {parameters.devices} devices, route {parameters.route}, {when}",
        caption=f"95 % intervals; one pulse of {parameters.amplitude_v:g} V and {parameters.reference_width_s:g} s",
    )
    for heading in ("quantity", "value", "from", "to", "unit"):
        table.add_column(heading, justify="left" if heading in ("quantity", "unit") else "right")
    for name, estimate in parameters.estimates.items():
        table.add_row(_LABELS[name], *_numbers(estimate), estimate.unit)
    return Group(table, *verdict(parameters))


def verdict(parameters: DeviceParameters) -> list[Text]:
    """Return whether the model describes the data, and what was left out, one line each."""
    shortest, longest = parameters.width_range_s
    lines = [
        _test(
            "displacement is proportional to the width", parameters.proportionality_p, f"{shortest:g} to {longest:g} s"
        ),
        _test("displacement is the same along the staircase", parameters.evenness_p, "first against second half"),
    ]
    if parameters.dropped_devices or parameters.dropped_runs:
        devices = f"{parameters.dropped_devices} devices that did not move freely"
        kind = "shots" if parameters.method == "imported" else "runs"
        lines.append(Text(f"left out: {devices}, {parameters.dropped_runs} {kind} near an end stop", style="yellow"))
    lines.extend(Text(f"note: {note}", style="yellow") for note in parameters.notes)
    return lines


def _numbers(estimate: Estimate) -> list[str]:
    """Return value and interval with as many digits as tell them apart."""
    width = estimate.high - estimate.low
    digits = 2 + math.ceil(math.log10(abs(estimate.value) / width)) if width > 0 and estimate.value else 3
    return [f"{number:#.{max(3, digits)}g}" for number in (estimate.value, estimate.low, estimate.high)]


def _test(claim: str, p: float | None, scope: str) -> Text:
    if p is None:
        return Text(f"not tested: {claim} ({scope})", style="yellow")
    if p < SIGNIFICANCE:
        return Text(f"does NOT hold: {claim} ({scope}, p = {p:.2g}); intervals do not cover this", style="bold red")
    return Text(f"holds: {claim} ({scope}, p = {p:.2g})", style="green")
