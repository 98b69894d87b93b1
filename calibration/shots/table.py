"""A laboratory's own table as shots: every cell checked, every complaint with its place."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.experiment import SHOT, Experiment, ExperimentOrigin
from calibration.protocols import Route
from calibration.shots.cells import Cells, read_cells
from calibration.shots.columns import ColumnNames, CsvStyle
from drivers.errors import ConfigError

_LARGEST_DEVICE = (1 << 32) - 1


def import_table(
    path: Path,
    columns: ColumnNames,
    *,
    style: CsvStyle | None = None,
    bench: str | None = None,
    measured: datetime | None = None,
    route: Route = Route.BENCH,
    resolution_s: float = 0.0,
) -> Experiment:
    """Read a table of shots, CSV or Parquet by its suffix: one row for pulses at one device, or for a reading only.

    Devices with names instead of numbers are numbered in the order in which they appear; `settings["device_names"]`
    of the origin tells them.

    Args:
        path: the table.
        columns: which column is what.
        style: how a CSV file is written.
        bench: name of the bench; None is the name of the file.
        measured: when, None is the date of the file.
        route: the way to the devices.
        resolution_s: smallest difference of two readings, siemens; 0 if it is far below the noise.

    Raises:
        ConfigError: the file cannot be read, a column is missing or a cell does not fit; the message names the place.
    """
    cells = read_cells(path, columns, style or CsvStyle())
    if len(cells.line) == 0:
        raise ConfigError(f"{path}: no rows below the names of the columns; give the table with its data")
    values = {role: cells.numbers(role) * column.factor for role, column in columns.numbers.items()}
    shots = np.zeros(len(cells.line), SHOT)
    shots["device"], device_names = _devices(cells)
    shots["pulses"] = _counts(cells, values["pulses"])
    pulsed = shots["pulses"] > 0
    shots["phase"] = np.where(pulsed, 1, 2)
    shots["width_s"] = _widths(cells, values["width"], pulsed)
    shots["polarity"] = _polarities(cells, columns, values["amplitude"], pulsed)
    shots["amplitude_v"] = np.where(pulsed, np.abs(values["amplitude"]), 0.0)
    for role, name in (("before", "before_s"), ("after", "after_s")):
        shots[name] = _conductance(cells, role, values[role], reciprocal=columns.numbers[role].is_resistance)
    for role, name in (("time", "time_s"), ("temperature", "temperature_k"), ("read_voltage", "read_voltage_v")):
        shots[name] = values.get(role, np.nan)
    if columns.time is not None:
        _refuse(cells, "time", np.isnan(shots["time_s"]), "no number; every row needs its time, or leave time out")
        shots = shots[np.argsort(shots["time_s"], kind="stable")]
    shots["step"] = np.arange(len(shots))
    origin = ExperimentOrigin(
        kind="imported",
        settings={
            "file": path.name,
            "columns": columns.model_dump(mode="json", exclude_none=True),
            "device_names": device_names,
        },
        bench=bench or path.name,
        library="",
        route=route,
        started=measured or datetime.fromtimestamp(path.stat().st_mtime, UTC),
        seed=0,
        resolution_s=resolution_s,
        instruments=(),
    )
    return Experiment(origin=origin, shots=shots)


def _devices(cells: Cells) -> tuple[NDArray[np.uint32], list[str]]:
    """Return the number of each row's device, and the names if the table has names instead of numbers."""
    try:
        numbers = cells.numbers("device")
    except ConfigError:
        numbers = np.full(len(cells.line), np.nan)
    if np.all((numbers >= 0) & (numbers <= _LARGEST_DEVICE) & (numbers == np.rint(numbers))):
        return numbers.astype(np.uint32), []
    words = cells.words("device")
    _refuse(cells, "device", np.array([word == "" for word in words]), "empty; every row needs its device")
    names = {word: number for number, word in enumerate(dict.fromkeys(words))}
    return np.array([names[word] for word in words], np.uint32), list(names)


def _counts(cells: Cells, counts: NDArray[np.float64]) -> NDArray[np.int32]:
    fits = (counts >= 0) & (counts == np.rint(counts)) & (counts < 1 << 31)
    _refuse(cells, "pulses", ~fits, "{:g} pulses; give a whole number, 0 for a reading without pulses", counts)
    return counts.astype(np.int32)


def _widths(cells: Cells, width_s: NDArray[np.float64], pulsed: NDArray[np.bool_]) -> NDArray[np.float64]:
    wrong = (width_s < 0) | (pulsed & ~((width_s > 0) & np.isfinite(width_s)))
    _refuse(cells, "width", wrong, "a width of {:g} s; pulses have a width above zero", width_s)
    return np.where(pulsed, width_s, 0.0)


def _polarities(
    cells: Cells, columns: ColumnNames, amplitude_v: NDArray[np.float64], pulsed: NDArray[np.bool_]
) -> NDArray[np.int8]:
    wrong = pulsed & ~(np.isfinite(amplitude_v) & (amplitude_v != 0))
    _refuse(
        cells, "amplitude", wrong, "an amplitude of {:g} V; pulses have one, its sign is the direction", amplitude_v
    )
    if columns.polarity is None:
        push = 1 if columns.push == "positive" else -1
        return np.where(pulsed, push * np.sign(np.nan_to_num(amplitude_v)), 0).astype(np.int8)
    words = {columns.polarity.push: 1, columns.polarity.pull: -1}
    found = np.array([words.get(word, 0) for word in _plain(cells.words("polarity"), words)], np.int8)
    known = " or ".join(repr(word) for word in words)
    _refuse(cells, "polarity", pulsed & (found == 0), f"neither {known}; mend it, or push and pull of columns.polarity")
    return np.where(pulsed, found, 0).astype(np.int8)


def _plain(cells: list[str], words: dict[str, int]) -> list[str]:
    """Return texts, numbers such as 1.0 written as in the description."""
    shorter = {f"{word}.0": word for word in words}
    return [shorter.get(cell, cell) for cell in cells]


def _conductance(cells: Cells, role: str, values: NDArray[np.float64], *, reciprocal: bool) -> NDArray[np.float64]:
    _refuse(cells, role, np.isinf(values), "not finite; empty the cell if there was no reading")
    if not reciprocal:
        return values
    _refuse(cells, role, values == 0, "a resistance of 0; empty the cell if there was no reading")
    return 1 / values


def _refuse(
    cells: Cells, role: str, wrong: NDArray[np.bool_], complaint: str, values: NDArray[np.float64] | None = None
) -> None:
    """Raise for the first wrong cell, its value put into the complaint."""
    if wrong.any():
        index = int(np.argmax(wrong))
        if values is not None and np.isnan(values[index]):
            complaint = "empty; " + complaint.partition("; ")[2]
        raise cells.wrong(role, index, complaint.format(values[index]) if values is not None else complaint)
