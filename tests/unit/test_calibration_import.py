"""A laboratory's own table: read with its units, fitted, and every fault named with place and remedy."""

import csv
import io
import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from calibration import DeviceParameters, StaircaseConfig, StaircaseRecord, calibrate, load_parameters
from calibration.experiment import SHOT, Experiment, ExperimentOrigin
from calibration.shots import (
    ColumnNames,
    CsvStyle,
    Description,
    Ends,
    Wanted,
    calibrate_table,
    export,
    fit_shots,
    import_table,
    load_description,
)
from drivers import Bench, load_bench
from drivers.errors import ConfigError, DeviceFault, LimitError
from hil.cli import main
from hil.execute import DeviceWeights
from hil.journal import Journal
from hil.mapping import map_layers
from hil.sgld import Target

PAGE = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text("utf-8")
LOW_S, HIGH_S = 2e-4, 4e-4
MU_PUSH, MU_PULL, FANO = 4e-3, 3.6e-3, 2e-4
NOISE = 1e-3
CODE_S = 1e-7

Row = dict[str, Any]


def lab(
    devices: int = 24, widths_s: tuple[float, ...] = (2e-7, 1e-6), *, ends: bool = True, again: bool = False
) -> list[Row]:
    """Shots in SI units: rests in the middle, stairs up and down at each width, then both ends, if wanted.

    With `again`, walls are read anew before the pulses, and readings are codes, many of them equal by chance.
    """
    generator = np.random.default_rng(7)
    rows: list[Row] = []
    for device in range(devices):
        position, speed = 0.3, 1 + 0.08 * generator.standard_normal()

        def read() -> float:
            value = LOW_S + (HIGH_S - LOW_S) * (position + generator.normal(0, NOISE))  # noqa: B023
            return float(np.rint(value / CODE_S) * CODE_S) if again else value

        def add(amplitude: float, width: float, pulses: int, after: Callable[[], float]) -> None:
            is_read = not again and rows and rows[-1]["device"] == device  # noqa: B023
            before = rows[-1]["after"] if is_read else read()
            one = {"device": device, "amplitude": amplitude, "width": width, "pulses": pulses}  # noqa: B023
            rows.append(one | {"before": before, "after": after()})

        def fire(sign: int, width: float, pulses: int) -> float:
            nonlocal position
            mean = (MU_PUSH if sign > 0 else MU_PULL) * speed * pulses * width / 1e-6  # noqa: B023
            position = min(1.0, max(0.0, position + sign * generator.gamma(mean / FANO, FANO)))
            return read()

        for _ in range(6):
            add(0.0, 0.0, 0, read)
        stairs = [(sign, width) for width in widths_s for sign in (1, -1) for _ in range(8)]
        for sign, width in stairs:
            pulses = round(0.05 / (MU_PUSH if sign > 0 else MU_PULL) * 1e-6 / width)
            add(1.5 * sign, width, pulses, lambda s=sign, w=width, n=pulses: fire(s, w, n))
        if ends:
            for sign in (1, -1):
                add(1.5 * sign, 1e-6, 1000, lambda s=sign: fire(s, 1e-6, 1000))
                for _ in range(6):
                    add(0.0, 0.0, 0, read)
    return rows


PLAIN = ColumnNames.model_validate(
    {name: name for name in ("device", "amplitude", "width", "pulses", "before", "after")}
)


def as_csv(rows: list[Row], delimiter: str = ",", decimal: str = ".") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {
                key: repr(value).replace(".", decimal) if isinstance(value, float) else value
                for key, value in row.items()
            }
        )
    return text.getvalue()


def written(folder: Path, rows: list[Row]) -> Path:
    path = folder / "lab.csv"
    path.write_text(as_csv(rows), "utf-8")
    return path


def fitted(folder: Path, rows: list[Row], **more: Any) -> DeviceParameters:
    return calibrate_table(written(folder, rows), Description(columns=PLAIN, **more))


def near(parameters: DeviceParameters) -> None:
    """Every estimate lies within 4 standard errors of the truth."""
    truth = {
        "mu_push": MU_PUSH,
        "mu_pull": MU_PULL,
        "variance_push": MU_PUSH * FANO,
        "variance_pull": MU_PULL * FANO,
        "fano_push": FANO,
        "fano_pull": FANO,
        "dtod_push": 0.08,
        "dtod_pull": 0.08,
        "read_noise": NOISE,
    }
    scale = parameters.reference_width_s / 1e-6
    for name, value in truth.items():
        estimate = parameters.estimates[name]
        wanted = value * (scale if name.startswith(("mu", "variance")) else 1)
        assert abs(estimate.value - wanted) <= estimate.high - estimate.low, name


# The good way.


def test_a_table_gives_parameters_near_the_truth(tmp_path: Path) -> None:
    parameters = fitted(tmp_path, lab(), ends=Ends(low_s=LOW_S, high_s=HIGH_S))
    near(parameters)
    assert parameters.method == "imported"
    assert parameters.bench == "lab.csv"
    assert parameters.raw_file == "lab.csv"
    assert parameters.devices == 24
    assert parameters.width_range_s == (2e-7, 1e-6)
    assert parameters.describes_data
    assert any("as given" in note for note in parameters.notes)


def test_ends_are_taken_from_the_extremes_and_that_is_said(tmp_path: Path) -> None:
    parameters = fitted(tmp_path, lab())
    near(parameters)
    for estimate, truth in ((parameters.conductance_low_s, LOW_S), (parameters.conductance_high_s, HIGH_S)):
        assert estimate.value == pytest.approx(truth, abs=0.002 * (HIGH_S - LOW_S))
    assert "conductances at the end stops from the lowest and highest readings of each device" in parameters.notes
    # Walls that were nowhere twice have hardly been at a stop.
    never = fitted(tmp_path, lab(ends=False))
    assert any("only once" in note for note in never.notes)


def test_hardly_any_interval_is_needed_around_what_was_given(tmp_path: Path) -> None:
    parameters = fitted(tmp_path, lab(), ends=Ends(low_s=LOW_S, high_s=HIGH_S))
    assert parameters.conductance_low_s.low == parameters.conductance_low_s.high == LOW_S


def test_units_names_signs_and_marks_of_a_laboratory(tmp_path: Path) -> None:
    rows = lab()
    plain = fitted(tmp_path, rows)
    theirs = [
        {
            "Chip": f"R{row['device']}",
            "dir": {1.5: "auf", -1.5: "ab", 0.0: ""}[row["amplitude"]],
            "U": 1500.0 if row["pulses"] else "",
            "t": row["width"] / 1e-9 if row["pulses"] else "",
            "n": row["pulses"],
            "R0": 1e-3 / row["before"],
            "R1": 1e-3 / row["after"],
            "remark": "a, b",
        }
        for row in rows
    ]
    (tmp_path / "theirs.csv").write_bytes(
        b"\xef\xbb\xbf# measured by night\r\n" + as_csv(theirs, delimiter=";", decimal=",").encode()
    )
    description = tmp_path / "columns.toml"
    description.write_text(
        """
        [columns]
        device = "Chip"
        amplitude = { name = "U", unit = "mV" }
        width = { name = "t", scale = 1e-9 }
        pulses = "n"
        before = { name = "R0", unit = "kΩ" }
        after = { name = "R1", unit = "kohm" }
        polarity = { name = "dir", push = "auf", pull = "ab" }
        [csv]
        delimiter = ";"
        decimal = ","
        """,
        "utf-8",
    )
    parameters = calibrate_table(tmp_path / "theirs.csv", load_description(description))
    for name, estimate in plain.estimates.items():
        assert parameters.estimates[name].value == pytest.approx(estimate.value, rel=1e-9)
    experiment = import_table(
        tmp_path / "theirs.csv",
        load_description(description).columns,
        style=CsvStyle(delimiter=";", decimal=","),
    )
    assert experiment.origin.settings["device_names"][:2] == ["R0", "R1"]
    assert experiment.origin.kind == "imported"


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    rows = lab()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "lab.parquet")
    description = Description(columns=PLAIN)
    from_parquet = calibrate_table(tmp_path / "lab.parquet", description)
    assert from_parquet.estimates == calibrate_table(written(tmp_path, rows), description).estimates


def test_negative_pulses_may_push(tmp_path: Path) -> None:
    rows = [row | {"amplitude": -row["amplitude"]} for row in lab()]
    columns = PLAIN.model_copy(update={"push": "negative"})
    near(calibrate_table(written(tmp_path, rows), Description(columns=columns)))
    with pytest.raises(ConfigError, match=r'lab\.csv: pushes lower the conductance.*push = "negative"'):
        calibrate_table(written(tmp_path, rows), Description(columns=PLAIN))


def test_with_times_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    rows = [row | {"time": index} for index, row in enumerate(lab())]
    plain = fitted(tmp_path, rows)
    mixed = [rows[index] for index in np.random.default_rng(1).permutation(len(rows))]
    columns = ColumnNames.model_validate(PLAIN.model_dump() | {"time": "time"})
    again = calibrate_table(written(tmp_path, mixed), Description(columns=columns))
    assert again.estimates == plain.estimates


def test_readings_taken_twice_are_told_from_shared_ones(tmp_path: Path) -> None:
    ends = Ends(low_s=LOW_S, high_s=HIGH_S)
    assert fitted(tmp_path, lab(), ends=ends).cycles == 1
    rows = lab(again=True)
    equal = np.mean([late["before"] == early["after"] for early, late in pairwise(rows)])
    assert 0.1 < equal < 0.4
    parameters = fitted(tmp_path, rows, ends=ends, fit=Wanted(resolution_s=CODE_S))
    near(parameters)
    # Every shot is a chain of its own: 8 at each width in each direction.
    assert parameters.cycles == 8


def test_a_reading_that_failed_costs_its_shot_only(tmp_path: Path) -> None:
    rows = lab()
    for index in (20, 50, 90):
        rows[index]["after"] = ""
    near(fitted(tmp_path, rows))


def test_one_amplitude_of_several_is_fitted(tmp_path: Path) -> None:
    rows = lab() + [row | {"amplitude": row["amplitude"] * 2, "device": row["device"]} for row in lab()[:300]]
    with pytest.raises(ConfigError, match=r"several amplitudes, 1\.5, 3 V.*amplitude_v under \[fit\]"):
        fitted(tmp_path, rows)
    assert fitted(tmp_path, rows, fit=Wanted(amplitude_v=1.5)).amplitude_v == 1.5


# Nothing beyond what was measured.


def test_nothing_is_extrapolated(tmp_path: Path) -> None:
    rows = lab()
    with pytest.raises(LimitError, match=r"amplitude_v = 1\.8 V.*only of 1\.5 V"):
        fitted(tmp_path, rows, fit=Wanted(amplitude_v=1.8))
    with pytest.raises(LimitError, match=r"reference_width_s = 2e-06 s lies outside.*2e-07 to 1e-06"):
        fitted(tmp_path, rows, fit=Wanted(reference_width_s=2e-6))
    parameters = fitted(tmp_path, rows, fit=Wanted(reference_width_s=5e-7))
    near(parameters)
    for width_s in (1.9e-7, 1.1e-6):
        with pytest.raises(LimitError, match="outside the calibrated range"):
            parameters.step_at(width_s)


# What is missing or does not fit.


def edited(index: int, **changes: Any) -> Callable[[list[Row]], None]:
    return lambda rows: rows[index].update(changes)


def each(**changes: Any) -> Callable[[list[Row]], None]:
    def edit(rows: list[Row]) -> None:
        for row in rows:
            row.update({key: value(row) if callable(value) else value for key, value in changes.items()})

    return edit


def only(keep: Callable[[Row], bool]) -> Callable[[list[Row]], None]:
    def edit(rows: list[Row]) -> None:
        rows[:] = [row for row in rows if keep(row)]

    return edit


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (edited(11, width="wide"), r"line 13, column 'width': 'wide' is not a number; mend it"),
        (edited(11, before="3,5"), r"line 13, column 'before': '3,5' is not a number.*decimal = \",\" under \[csv\]"),
        (edited(11, width=-1e-7), r"line 13, column 'width': a width of -1e-07 s; pulses have a width above zero"),
        (edited(11, width=0), r"line 13, column 'width': a width of 0 s"),
        (edited(11, width=""), r"line 13, column 'width': empty; pulses have a width above zero"),
        (edited(11, pulses=2.5), r"line 13, column 'pulses': 2\.5 pulses; give a whole number"),
        (edited(11, pulses=-3), r"line 13, column 'pulses': -3 pulses"),
        (edited(11, pulses=""), r"line 13, column 'pulses': empty; give a whole number"),
        (edited(11, amplitude=0), r"line 13, column 'amplitude': an amplitude of 0 V"),
        (edited(11, device=""), r"line 13, column 'device': empty; every row needs its device"),
        (edited(11, after="inf"), r"line 13, column 'after': not finite"),
        (only(lambda row: False), r"no rows below the names"),
        (each(pulses=0), r"no row has pulses"),
        (only(lambda row: row["amplitude"] >= 0), r"no pulls of 1\.5 V; add shots in both directions"),
        (only(lambda row: row["amplitude"] <= 0), r"no pushes of 1\.5 V"),
        (
            only(lambda row: row["width"] in (0, 1e-6)),
            r"all \d+ shots have one width, 1e-06 s.*add shots of another width",
        ),
        (only(lambda row: row["device"] < 2), r"2 devices do not show a spread; add shots of at least 3"),
        (only(lambda row: row["pulses"] > 0), r"the read noise is not known: 0 rows.*read_noise_s under \[fit\]"),
        (
            only(lambda row: row["pulses"] in (0, 1000) or row["width"] == 1e-6),
            r"all \d+ shots have one width",
        ),
        (
            only(lambda row: row["width"] != 2e-7 or row["amplitude"] > 0),
            r"too few shots: only one width.*2e-07 s: 24 devices with pushes, 0 with pulls.*add such shots",
        ),
        (
            each(before=lambda row: row["before"] / 1e3),
            r"readings after the pulses are 1e\+03 times those before; check the units",
        ),
        (each(before=""), r"no shot was read both before and after; check the cells"),
        (
            each(after=lambda row: row["after"] if row["pulses"] else row["before"]),
            r"readings without pulses repeat exactly; give resolution_s or read_noise_s",
        ),
    ],
)
def test_a_fault_is_named_with_its_place_and_remedy(
    tmp_path: Path, edit: Callable[[list[Row]], None], complaint: str
) -> None:
    rows = lab()
    header = ",".join(rows[0])
    edit(rows)
    path = tmp_path / "lab.csv"
    path.write_text(as_csv(rows) if rows else header + "\n", "utf-8")
    with pytest.raises(ConfigError, match=complaint) as caught:
        calibrate_table(path, Description(columns=PLAIN))
    assert str(caught.value).startswith(f"{path}: ")


def test_readings_in_another_unit_are_noticed(tmp_path: Path) -> None:
    rows = [row | {"before": row["before"] * 1e6, "after": row["after"] * 1e6} for row in lab()]
    with pytest.raises(ConfigError, match=r"far outside the end stops.*units of columns\.before"):
        fitted(tmp_path, rows, ends=Ends(low_s=LOW_S, high_s=HIGH_S))


def test_too_few_shots_say_how_many_there_are(tmp_path: Path) -> None:
    rows = [row for row in lab() if row["pulses"] in (0, 1000)]
    for index, row in enumerate(rows):
        if row["pulses"]:
            row["width"] = (5e-7, 1e-6)[index % 2]
    with pytest.raises(ConfigError, match=r"too few shots: no width.*clear of the end stops"):
        fitted(tmp_path, rows)


def test_devices_that_cannot_be_fitted_are_left_out_and_listed(tmp_path: Path) -> None:
    rows = lab()
    rows = [row for row in rows if row["device"] != 3 or row["amplitude"] >= 0]
    rows = [row for row in rows if row["device"] not in (5, 6) or row["amplitude"] <= 0]
    for row in rows:
        if row["device"] == 8:
            row |= {"before": 3e-4 + row["before"] * 1e-3, "after": 3e-4 + row["after"] * 1e-3}
    parameters = fitted(tmp_path, rows)
    near(parameters)
    assert parameters.dropped_devices == 4
    for note in (
        "left out, no pulls: 3",
        "left out, no pushes: 5, 6",
        "left out, hardly any range of conductance: 8",
    ):
        assert note in parameters.notes


def test_pulses_that_do_nothing_are_named(tmp_path: Path) -> None:
    rows = lab()
    for row in rows:
        if row["amplitude"] < 0 and row["pulses"] != 1000:
            row["after"] = row["before"]
    with pytest.raises(DeviceFault, match=r"lab\.csv: pull pulses do not move the walls.*check the sign"):
        fitted(tmp_path, rows)


def test_noise_larger_than_the_scatter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeviceFault, match=r"scatter no more than the read noise alone.*read_noise_s"):
        fitted(tmp_path, lab(), fit=Wanted(read_noise_s=2e-6))


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    description = Description(columns=PLAIN)
    rows = lab(devices=3)

    def refused(name: str, content: bytes, complaint: str) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=complaint) as caught:
            calibrate_table(tmp_path / name, description)
        assert str(tmp_path / name) in str(caught.value)

    refused("lab.xlsx", b"PK", r"neither \.csv nor \.parquet; save the table as one of them")
    refused("lab.parquet", b"PK", r"not Parquet")
    refused("lab.csv", as_csv(rows).encode("utf-16"), r"not utf-8-sig.*save it as UTF-8 or give its encoding")
    refused("lab.csv", as_csv(rows, delimiter=";").encode(), r"no column 'device'.*see delimiter under \[csv\]")
    refused("lab.csv", b"", r"no column 'device', which columns\.device names; the table has none")
    refused("lab.csv", as_csv(rows).encode() + b"1,2\n", r"line \d+: 2 cells, 6 in the first line; mend or remove it")
    renamed = as_csv(rows).replace("width", "t_p", 1).encode()
    refused("lab.csv", renamed, r"no column 'width', which columns\.width names; the table has 'device', .*'t_p'")
    pq.write_table(pa.table({"device": [1]}), tmp_path / "lab.parquet")
    refused("lab.parquet", (tmp_path / "lab.parquet").read_bytes(), r"no column 'amplitude'")
    with pytest.raises(ConfigError, match="cannot be read"):
        calibrate_table(tmp_path / "none.csv", description)
    texts = [row | {"width": str(row["width"])} for row in rows]
    texts[1]["width"] = "x"
    pq.write_table(pa.Table.from_pylist(texts), tmp_path / "lab.parquet")
    with pytest.raises(ConfigError, match=r"row 2, column 'width': 'x' is not a number"):
        calibrate_table(tmp_path / "lab.parquet", description)


def test_directions_in_words(tmp_path: Path) -> None:
    columns = ColumnNames.model_validate(PLAIN.model_dump() | {"polarity": {"name": "dir", "push": "1", "pull": "-1"}})
    rows = [row | {"dir": float(np.sign(row["amplitude"])), "amplitude": abs(row["amplitude"])} for row in lab()]
    near(calibrate_table(written(tmp_path, rows), Description(columns=columns)))
    rows[11]["dir"] = "up"
    with pytest.raises(ConfigError, match=r"line 13, column 'dir': neither '1' or '-1'; mend it, or push and pull"):
        calibrate_table(written(tmp_path, rows), Description(columns=columns))


COLUMNS = 'device="d"\namplitude="a"\nwidth="w"\npulses="n"\nbefore="b"\nafter="c"\n'


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[columns", "no TOML"),
        ("", r"columns is missing"),
        ("[columns]\n" + COLUMNS.replace('width="w"\n', ""), r"columns\.width is missing; say which column"),
        ("[columns]\n" + COLUMNS + 'hue="h"', r"columns\.hue is not known; see docs/own-data\.md"),
        ("[columns]\n" + COLUMNS.replace('"w"', '{name="w",unit="ns",scale=2}'), "give unit or scale, not both"),
        ("[columns]\n" + COLUMNS.replace('"w"', '{name="w",unit="fortnight"}'), "unit 'fortnight' is not known"),
        ("[columns]\n" + COLUMNS.replace('"w"', '{name="w",unit="mV"}'), "width: mV is no unit of it"),
        ("[columns]\n" + COLUMNS.replace('"b"', '{name="b",unit="mV"}'), "before: mV is no unit of it"),
        ("[columns]\n" + COLUMNS + '[csv]\ndecimal=","', 'delimiter = ";"'),
        ("[columns]\n" + COLUMNS + "[ends]\nlow_s=2.0\nhigh_s=1.0", "must lie below high_s"),
        ("[columns]\n" + COLUMNS + "[ends]\nlow_s=2.0", r"ends\.high_s is missing"),
        ("[columns]\n" + COLUMNS + "[fit]\nread_noise_s=-1", r"fit\.read_noise_s"),
    ],
)
def test_a_wrong_description_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "columns.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_description(path)
    assert str(path) in str(caught.value)


def test_a_missing_description_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"columns\.toml: cannot be read"):
        load_description(tmp_path / "columns.toml")


# The command, the page and training.


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    (description,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (head,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "columns.toml").write_text(description, "utf-8")
    (tmp_path / "head.csv").write_text(head, "utf-8")
    known = load_description(tmp_path / "columns.toml")
    shots = import_table(tmp_path / "head.csv", known.columns).shots
    assert shots["polarity"].tolist() == [0, 1, 1, -1, 1]
    assert shots["width_s"][4] == pytest.approx(1e-6)
    assert shots["before_s"][0] == pytest.approx(1 / 3334.12)
    rows = []
    for row in lab():
        cells = {"chip": f"R{row['device']}", "U / mV": 1e3 * row["amplitude"], "t / ns": row["width"] / 1e-9}
        cells |= {"n": row["pulses"], "R0 / kohm": 1e-3 / row["before"], "R1 / kohm": 1e-3 / row["after"]}
        rows.append(cells | {"operator": "mb"})
    assert head.splitlines()[0] == ",".join(rows[0])
    (tmp_path / "shots.csv").write_text(as_csv(rows), "utf-8")
    done = run(
        *("calibrate", "--from", tmp_path / "shots.csv", "--columns", tmp_path / "columns.toml"),
        *("-o", tmp_path / "lab.json", "--json"),
    )
    assert done.exit_code == 0, done.output
    parameters = load_parameters(tmp_path / "lab.json")
    assert json.loads(done.stdout)["parameters"]["mu_push"] == parameters.mu_push.model_dump()
    near(parameters)
    assert parameters.bench == "lab 3"
    assert (parameters.created.year, parameters.created.month, parameters.created.day) == (2026, 3, 14)
    assert parameters.raw_file == "shots.csv"


def test_the_command_refuses_what_does_not_belong_together(tmp_path: Path) -> None:
    alone = run("calibrate", "--from", tmp_path / "lab.csv", "--json")
    assert alone.exit_code == 2
    assert "belong together" in json.loads(alone.stdout)["message"]
    both = run("calibrate", "--from", "a.csv", "--columns", "b.toml", "--devices", "9")
    assert both.exit_code == 2
    assert "--devices is for measuring" in both.output


def test_the_command_shows_what_was_assumed(tmp_path: Path) -> None:
    (tmp_path / "columns.toml").write_text(
        "[columns]\n" + "\n".join(f'{name} = "{name}"' for name in PLAIN.names), "utf-8"
    )
    path = written(tmp_path, lab())
    done = run("calibrate", "--from", path, "--columns", tmp_path / "columns.toml", "-o", tmp_path / "new" / "lab.json")
    assert done.exit_code == 0, done.output
    assert "note: conductances at the end stops from the lowest and highest" in " ".join(done.stdout.split())
    assert load_parameters(tmp_path / "new" / "lab.json").raw_file is None


def test_a_staircase_exported_and_imported_agrees_and_trains(tmp_path: Path, small_bench: Any) -> None:
    with Bench.open(load_bench(small_bench.file)) as bench:
        own = calibrate(bench, StaircaseConfig(devices=150, widths_s=(1e-8, 2e-6), cycles=2), seed=2)
    export(as_experiment(own.record), tmp_path / "shots.csv")
    (tmp_path / "columns.toml").write_text(
        """
        [columns]
        device = "device"
        amplitude = "amplitude_v"
        width = "width_s"
        pulses = "pulses"
        before = "before_s"
        after = "after_s"
        polarity = { name = "polarity", push = "1", pull = "-1" }
        [fit]
        resolution_s = 4.5e-9
        """
    )
    file = tmp_path / "lab.json"
    done = run("calibrate", "--from", tmp_path / "shots.csv", "--columns", tmp_path / "columns.toml", "-o", file)
    assert done.exit_code == 0, done.output
    imported = load_parameters(file)
    for name, estimate in own.parameters.estimates.items():
        assert estimate.contains(imported.estimates[name].value), name
        width, own_width = (one.high - one.low for one in (imported.estimates[name], estimate))
        assert width == pytest.approx(own_width, rel=0.2, abs=4.6e-9), name
    assert imported.pulses == own.parameters.pulses
    assert imported.dropped_runs == 0
    direct = fit_shots(as_experiment(own.record))
    assert direct.estimates == imported.estimates
    _train(small_bench, imported, tmp_path)


def _train(small_bench: Any, parameters: DeviceParameters, folder: Path) -> None:
    """Take three steps of a small network on the devices of the small bench."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 36, 5))
    model = model.to(memory_format=torch.channels_last)
    layers = map_layers(model, range_sigmas=6.0)
    named = dict(model.named_parameters())
    on_devices = {layer.name: named[layer.name] for layer in layers}
    with Bench.open(load_bench(small_bench.file)) as bench, closing(Journal(folder / "journal.sqlite")) as journal:
        bench.array.output_on()
        store = DeviceWeights(bench.array, layers, on_devices, parameters, journal, bits=7, seed=5)
        store.initialise()
        for step in range(3):
            store.load()
            model.zero_grad(set_to_none=True)
            model(torch.randn(8, 3, 8, 8)).square().mean().backward()
            store.compile(Target(step=step, step_size=0.05, temperature=1e-3, weight_decay=0.0, noise_variance=1e-8))
            store.fire()
        assert store.totals().pulses > 0


@pytest.mark.slow
def test_a_whole_run_takes_imported_parameters(tmp_path: Path) -> None:
    parameters = fitted(tmp_path, lab(widths_s=(1e-8, 2e-6)), ends=Ends(low_s=LOW_S, high_s=HIGH_S))
    parameters.save(tmp_path / "lab.json")
    generator = np.random.default_rng(0)
    np.savez(
        tmp_path / "images.npz",
        x=generator.integers(0, 255, (64, 32, 32, 3), dtype=np.uint8),
        y=generator.integers(0, 10, 64),
    )
    images = tmp_path / "images.npz"
    done = run(
        *("train", "--parameters", tmp_path / "lab.json", "--data", images, "--test-data", images),
        *("--epochs", "1", "--set", "batch_size=32", "--runs", tmp_path / "runs", "--json"),
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["steps"] == 2


def as_experiment(record: StaircaseRecord) -> Experiment:
    """Return a staircase as single shots."""
    count = len(record.device)
    rows: list[np.ndarray] = []

    def add(before: np.ndarray, after: np.ndarray, polarity: int = 0, width_s: float = 0.0, pulses: Any = 0) -> None:
        row = np.zeros(count, SHOT)
        row["step"], row["device"], row["polarity"], row["width_s"] = len(rows), record.device, polarity, width_s
        row["amplitude_v"] = abs(polarity) * record.origin.amplitude_v
        row["before_s"], row["after_s"], row["pulses"] = before, after, pulses
        rows.append(row)

    for readings in (record.high_s, record.low_s, record.rest_s):
        for before, after in pairwise(readings):
            add(before, after)
    for cycle in range(record.conductance_s.shape[1]):
        for index, width_s in enumerate(record.width_s.tolist()):
            for direction, polarity in enumerate((1, -1)):
                stairs = record.conductance_s[index, cycle, direction]
                for before, after in pairwise(stairs):
                    add(before, after, polarity, width_s, record.pulses[index, direction])
    kept = {"bench", "library", "route", "seed", "resolution_s", "instruments"}
    origin = ExperimentOrigin(
        kind="staircase", settings={}, started=record.origin.created, **record.origin.model_dump(include=kept)
    )
    return replace(Experiment(origin=origin, shots=rows[0]), shots=np.concatenate(rows))
