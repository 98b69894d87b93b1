"""Findings as tables of the terminal."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from calibration.analysis.findings import Findings, Verdict
from calibration.report_page.numbers import digits_of, p_of, unit_of

_STYLES = {Verdict.HOLDS: "green", Verdict.FAILS: "bold red", Verdict.UNTESTED: "yellow"}
_MARKS = {Verdict.HOLDS: "✓", Verdict.FAILS: "✗", Verdict.UNTESTED: "?"}


def findings_table(findings: Findings) -> Group:
    """Return numbers with their 95 % intervals, the tests of what they rest on, and what is wrong."""
    numbers = Table(title=f"{findings.kind}: {len(findings.devices)} devices", caption="95 % intervals")
    for heading in ("quantity", "value", "from", "to", "unit"):
        numbers.add_column(heading, justify="left" if heading in ("quantity", "unit") else "right")
    for name, estimate in findings.estimates.items():
        row = (*digits_of(estimate), unit_of(estimate.unit))
        numbers.add_row(Text(findings.labels.get(name, name)), *(Text(cell) for cell in row))
    parts: list[Table | Text] = [numbers] if findings.estimates else []
    for check in findings.checks:
        verdict = check.verdict
        detail = f"p = {p_of(check.p_value)}, {check.method}" if check.p_value is not None else check.method
        parts.append(Text(f"{_MARKS[verdict]} {verdict}: {check.claim} ({detail})", style=_STYLES[verdict]))
    # Failed tests are among what is wrong, with the remedy; here they would stand twice.
    parts += [Text(f"! {line}", style="red") for line in findings.wrong if not line.startswith(str(Verdict.FAILS))]
    parts += [
        Text(f"  {check.remedy}", style="red")
        for check in findings.checks
        if check.verdict is Verdict.FAILS and check.remedy
    ]
    parts += [Text(line, style="dim") for line in findings.notes]
    return Group(*parts)
