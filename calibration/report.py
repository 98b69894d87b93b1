"""Parameters for a person to read."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from calibration.estimate import Estimate
from calibration.parameters import SIGNIFICANCE, DeviceParameters


def parameter_table(parameters: DeviceParameters) -> Group:
    """Return a terminal table of the parameters with their 95 % intervals, and the verdict below it."""
    table = Table(
        title=f"{parameters.bench}: {parameters.devices} devices through the {parameters.route}, {parameters.created:%Y-%m-%d %H:%M} UTC",
        caption=f"95 % intervals; one pulse of {parameters.amplitude_v:g} V and {parameters.reference_width_s:g} s",
    )
    for heading in ("quantity", "value", "from", "to", "unit"):
        table.add_column(heading, justify="left" if heading in ("quantity", "unit") else "right")
    for name, estimate in _rows(parameters):
        table.add_row(
            name, *(f"{number:.4g}" for number in (estimate.value, estimate.low, estimate.high)), estimate.unit
        )
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
        left_out = f"left out: {parameters.dropped_devices} devices that did not move freely, {parameters.dropped_runs} runs near an end stop"
        lines.append(Text(left_out, style="yellow"))
    return lines


def _test(claim: str, p: float | None, scope: str) -> Text:
    if p is None:
        return Text(f"not tested: {claim} ({scope})", style="yellow")
    if p < SIGNIFICANCE:
        return Text(f"does NOT hold: {claim} ({scope}, p = {p:.2g}); intervals do not cover this", style="bold red")
    return Text(f"holds: {claim} ({scope}, p = {p:.2g})", style="green")


def _rows(parameters: DeviceParameters) -> list[tuple[str, Estimate]]:
    return [
        ("mean displacement, push", parameters.mu_push),
        ("mean displacement, pull", parameters.mu_pull),
        ("variance, push", parameters.variance_push),
        ("variance, pull", parameters.variance_pull),
        ("Fano length, push", parameters.fano_push),
        ("Fano length, pull", parameters.fano_pull),
        ("device-to-device spread, push", parameters.dtod_push),
        ("device-to-device spread, pull", parameters.dtod_pull),
        ("read noise", parameters.read_noise),
        ("conductance at the low end", parameters.conductance_low_s),
        ("conductance at the high end", parameters.conductance_high_s),
    ]
