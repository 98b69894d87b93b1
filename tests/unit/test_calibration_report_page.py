"""The report of an experiment: nothing is loaded from elsewhere, nothing that an instrument says becomes markup."""

import io
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from known_walls import ALL, staircase
from rich.console import Console

from calibration.analysis import Check, Column, Figure, Findings, Mark, Series, analyse
from calibration.estimate import Estimate
from calibration.experiment import Experiment
from calibration.record import InstrumentIdentity
from calibration.report_page import findings_table, render_report, write_report
from calibration.report_page.numbers import digits_of, p_of

HOSTILE = "<script>alert(1)</script>\"'&--><img src=x onerror=alert(2)>{{ 7 * 7 }}$x_"
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Takes a page apart, and complains of tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def pages() -> dict[str, tuple[Findings, Experiment, str]]:
    made = {}
    for kind, make in ALL.items():
        experiment = make(np.random.default_rng(1), **({"readings": 512} if kind == "noise" else {}))
        findings = analyse(experiment)
        made[kind] = (findings, experiment, render_report(findings, experiment))
    return made


@pytest.mark.parametrize("kind", ALL)
def test_a_page_refers_to_nothing_else_and_stays_small(pages, kind):
    findings, _, text = pages[kind]
    assert len(text.encode()) < 3_000_000
    page = parsed(text)
    names = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert len(names) == sum("id" in attributes for _, attributes in page.tags)
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "base", "form"}
        for name, value in attributes.items():
            if name in {"href", "xlink:href", "src"}:
                assert value is not None
                assert value.startswith("data:image/png;base64,") or value.removeprefix("#") in names
    assert re.findall(r"https?:|//\w", re.sub(r"base64,[^\"]*", "", text)) == []
    assert all(reference in names for reference in re.findall(r"url\(#([^)]+)\)", text))
    assert "default-src 'none'" in text
    assert text.count("<svg") >= len(findings.figures) > 0


def test_the_colours_of_figures_are_those_of_the_page(pages):
    text = pages["staircase"][2]
    drawn = "".join(re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    assert "var(--c0)" in drawn
    assert "var(--ink)" in drawn
    # The colour bars of maps are pictures; nothing else may have a colour that a dark page hides.
    assert set(re.findall(r"#[0-9a-f]{6}", re.sub(r"#viridis", "", drawn))) <= {"#440154", "#fde725", "#fde724"}
    defined = set(re.findall(r"--(\w+):", text))
    assert set(re.findall(r"var\(--(\w+)\)", text)) <= defined
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_what_instruments_and_settings_say_is_never_markup():
    experiment = staircase(np.random.default_rng(1), devices=4, steps=6, cycles=2)
    identity = InstrumentIdentity(name=HOSTILE, manufacturer=HOSTILE, model=HOSTILE, serial=HOSTILE, firmware=HOSTILE)
    origin = experiment.origin.model_copy(
        update={"bench": HOSTILE, "library": HOSTILE, "instruments": (identity,), "settings": {HOSTILE: HOSTILE}}
    )
    line = Series(label=HOSTILE, mark=Mark.LINE, x=np.arange(3.0), y=np.arange(3.0))
    findings = Findings(
        kind=HOSTILE,
        estimates={HOSTILE: Estimate(value=1.0, low=0.5, high=2.0, unit=HOSTILE)},
        labels={HOSTILE: HOSTILE},
        checks=(Check(claim=HOSTILE, p_value=0.5, method=HOSTILE),),
        devices=experiment.devices,
        columns=(Column(label=HOSTILE, unit=HOSTILE, values=np.arange(4.0)),),
        figures=(Figure(title=HOSTILE, x_label=HOSTILE, y_label=HOSTILE, series=(line,), caption=HOSTILE),),
        wrong=(HOSTILE,),
        notes=(HOSTILE,),
    )
    text = render_report(findings, Experiment(origin=origin, shots=experiment.shots))
    page = parsed(text)
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "&lt;script&gt;" in text
    assert "{{ 7 * 7 }}" in text
    findings_table(findings)


def test_a_report_is_written_whole(tmp_path, pages):
    findings, experiment, text = pages["s-curve"]
    path = tmp_path / "report.html"
    write_report(findings, experiment, path)
    assert path.read_text(encoding="utf-8") == text
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_the_same_findings_give_the_same_page(pages):
    findings, experiment, text = pages["dwell"]
    assert render_report(findings, experiment) == text


def test_the_page_says_first_what_is_wrong(pages):
    findings, experiment, text = pages["dwell"]
    assert findings.describes
    assert "The fits describe the data" in text
    failed = Check(claim="walls are made of cheese", p_value=1e-9, method="by eye")
    spoilt = replace(findings, checks=(failed,), wrong=("does not hold: walls are made of cheese",))
    said = render_report(spoilt, experiment)
    assert "A fit does not describe the data" in said
    assert said.index("does not hold: walls are made of cheese") < said.index("<h2>Numbers</h2>")
    assert "&lt; 1e-6" in said


def test_maps_show_many_devices_and_points_show_few():
    experiment = staircase(np.random.default_rng(1), devices=4, steps=6, cycles=2)
    many = np.arange(0, 4_000_000, 1000, dtype=np.uint32)
    base = analyse(experiment)
    column = Column(label="something", unit="track", values=np.linspace(0, 1, len(many)))
    text = render_report(replace(base, devices=many, columns=(column,)), experiment)
    assert "device number modulo 2048" in text
    assert "data:image/png" in text
    assert f"{len(many) - 200} more devices" in text
    assert len(text) < 1_000_000
    assert "device number modulo" not in render_report(base, experiment)


def test_the_terminal_shows_numbers_tests_and_what_is_wrong():
    estimate = Estimate(value=0.0041234, low=0.0040, high=0.0042, unit="track")
    findings = Findings(
        kind="staircase",
        estimates={"mu_push": estimate},
        labels={"mu_push": "mean step, pushes"},
        checks=(
            Check(claim="steps are even", p_value=0.4, method="halves"),
            Check(claim="steps are gamma", p_value=1e-5, method="chi-square", remedy="look at the figure"),
            Check(claim="walls forget", p_value=None, method="flights are too short"),
        ),
        devices=np.arange(3, dtype=np.uint32),
        columns=(),
        figures=(),
        wrong=("[bold]3 devices left out", "does not hold: steps are gamma (p = 1e-05, chi-square)"),
    )
    console = Console(file=io.StringIO(), width=120)
    console.print(findings_table(findings))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for expected in (
        "mean step, pushes",
        "0.00412",
        "✓ holds: steps are even",
        "✗ does not hold: steps are gamma (p = 1e-05, chi-square)",
        "look at the figure",
        "? not tested: walls forget",
        "! [bold]3 devices left out",
    ):
        assert expected in text
    assert text.count("steps are gamma") == 1
    assert findings.as_json()["describes"] is False


def test_numbers_have_the_digits_that_tell_them_apart():
    assert digits_of(Estimate(value=1.23456, low=1.2, high=1.3, unit="1")) == ("1.235", "1.2", "1.3")
    assert digits_of(Estimate(value=1e-9, low=1e-9, high=1e-9, unit="s")) == ("1e-09", "1e-09", "1e-09")
    assert [p_of(one) for one in (None, 0.0, 0.04321)] == ["–", "< 1e-6", "0.043"]


def test_importing_the_report_loads_nothing_heavy():
    code = (
        "import sys, calibration.analysis, calibration.report_page;"
        "print([m for m in ('scipy', 'matplotlib', 'jinja2', 'statsmodels', 'pandas') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
