"""The report of one experiment: one HTML file with figures in it, for the screen in light and dark and for paper."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from calibration.analysis.findings import Column, Findings, Verdict
from calibration.atomic import replace_atomically
from calibration.experiment import Experiment
from calibration.report_page.numbers import digits_of, p_of, unit_of

_MOST_ROWS = 200


def write_report(findings: Findings, experiment: Experiment, path: Path) -> None:
    """Write the report, whole or not at all.

    Args:
        findings: what the experiment says.
        experiment: its shots and where they come from.
        path: the HTML file.
    """
    replace_atomically(path, render_report(findings, experiment).encode())


def render_report(findings: Findings, experiment: Experiment) -> str:
    """Return the report as HTML. Everything that instruments or settings say is escaped; the page loads nothing."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from calibration.report_page.drawing import draw, draw_map, maps_of

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Drawings are made here from numbers, and escape their own labels.
    figures = [
        {"title": one.title, "caption": one.caption, "svg": Markup(draw(one, f"f{index}"))}  # noqa: S704
        for index, one in enumerate(findings.figures)
    ]
    maps = []
    for index, column in enumerate(maps_of(findings.columns)):
        svg = draw_map(column, findings.devices, f"m{index}")
        if svg is not None:
            maps.append({"title": column.label, "svg": Markup(svg)})  # noqa: S704
    origin = experiment.origin
    return environment.get_template("page.html.j2").render(
        title=f"{findings.kind} of {origin.bench}",
        findings=findings,
        origin=origin,
        verdict=_verdict(findings),
        summary=_summary(experiment),
        numbers=[
            {"label": findings.labels.get(name, name), "digits": digits_of(one), "unit": unit_of(one.unit)}
            for name, one in findings.estimates.items()
        ],
        checks=[{"check": one, "p": p_of(one.p_value), "mark": _MARKS[one.verdict]} for one in findings.checks],
        figures=figures,
        maps=maps,
        table=_table(findings),
        settings=json.dumps(dict(origin.settings), indent=2, default=str, ensure_ascii=False),
    )


_MARKS = {Verdict.HOLDS: ("holds", "✓"), Verdict.FAILS: ("fails", "✗"), Verdict.UNTESTED: ("untested", "?")}


def _verdict(findings: Findings) -> tuple[str, str]:
    """Return a class of the style and a sentence."""
    if not findings.estimates:
        return "fails", "This experiment gives no numbers."
    if not findings.describes:
        return "fails", "A fit does not describe the data. Read what is wrong before you use these numbers."
    if findings.wrong:
        return "untested", "The fits describe the data as far as they were tested. Something else needs a look."
    return "holds", "The fits describe the data, as far as they were tested."


def _summary(experiment: Experiment) -> list[tuple[str, str]]:
    shots = experiment.shots
    origin = experiment.origin
    rows = [
        ("bench", origin.bench),
        ("route", str(origin.route)),
        ("started", f"{origin.started:%Y-%m-%d %H:%M:%S} UTC"),
        ("devices", f"{len(experiment.devices):,}"),
        ("shots", f"{len(shots):,}"),
        ("pulses", f"{int(shots['pulses'].sum()):,}"),
        ("seed", str(origin.seed)),
    ]
    if len(shots) and np.isfinite(shots["time_s"]).any():
        rows.insert(3, ("duration", f"{float(np.nanmax(shots['time_s'])):.4g} s"))
    if len(shots) and np.isfinite(shots["temperature_k"]).any():
        rows.append(("temperature", f"{float(np.nanmean(shots['temperature_k'])):.4g} K"))
    if origin.library:
        rows.append(("VISA library", origin.library))
    return rows


def _table(findings: Findings) -> dict[str, Any]:
    """Return the numbers of each device, of the first devices only if there are many."""
    columns = [one for one in findings.columns if np.isfinite(one.values).any()]
    rows = [
        [str(device), *(_cell(one.values[index]) for one in columns)]
        for index, device in enumerate(findings.devices[:_MOST_ROWS].tolist())
    ]
    return {
        "head": ["device", *(_head(one) for one in columns)],
        "rows": rows if columns else [],
        "left": max(0, len(findings.devices) - _MOST_ROWS),
    }


def _cell(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "–"


def _head(column: Column) -> str:
    return column.label if column.unit == "1" else f"{column.label} / {unit_of(column.unit)}"
