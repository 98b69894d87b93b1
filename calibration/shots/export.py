"""Shots handed on: HDF5, Parquet or CSV, each with the experiment's origin and hash in the same file.

    .h5        data set `shots` of one compound type with its units as an attribute; data set `origin`, a JSON text;
               attribute `sha256`
    .parquet   one column for each field, its unit in the metadata of the column; `origin` and `sha256` in the metadata
               of the file
    .csv       a first line `# sha256 origin`, then the names of the fields, then a line for each shot; decimal points,
               as many digits as tell two numbers apart, `nan` for no number

`load_experiment` reads all of them back, and the store that they come from. The hash says whether anything was changed.
"""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import ValidationError

from calibration.atomic import replace_atomically
from calibration.experiment import SHOT, Experiment, ExperimentOrigin
from calibration.shots import digest
from calibration.shots.store import ShotStore
from drivers.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

UNITS: Final = {
    "amplitude_v": "V",
    "width_s": "s",
    "before_s": "S",
    "after_s": "S",
    "read_voltage_v": "V",
    "time_s": "s",
    "temperature_k": "K",
}
"""Units of the fields that have one."""

_CSV_MARK = "# "
_FIELDS = SHOT.names or ()

_Written = tuple[str, str, np.ndarray]
"""Hash and origin as JSON, as the file has them, and the shots."""


def export(experiment: Experiment, path: Path) -> None:
    """Write shots and origin to a file, whole or not at all; the suffix decides how. A file of that name is replaced.

    Raises:
        ConfigError: no such suffix, or the file cannot be written.
    """
    to_bytes = _WRITERS.get(path.suffix.lower())
    if to_bytes is None:
        raise ConfigError(f"{path}: name a file that ends in {', '.join(_WRITERS)}")
    try:
        replace_atomically(path, to_bytes(experiment))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); name a file elsewhere") from error


def load_experiment(path: Path) -> Experiment:
    """Read an experiment back: a file that `export` wrote, or a store.

    Raises:
        ConfigError: the file cannot be read, is of another kind, or was changed after it was written.
    """
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give the shots of an experiment") from error
    if start.startswith(b"SQLite format 3"):
        with ShotStore.open(path) as store:
            return store.read()
    read = next((read for magic, read in _READERS.items() if start.startswith(magic)), None)
    if read is None:
        raise ConfigError(
            f"{path}: not an experiment of this program; bring records of your own in with hil calibrate --from"
        )
    try:
        known, origin, shots = read(path)
        experiment = Experiment(origin=ExperimentOrigin.model_validate_json(origin), shots=shots)
    # ValueError is also pyarrow's, and that of a JSON text or a number that is none.
    except (OSError, KeyError, TypeError, ValueError, ValidationError) as error:
        raise ConfigError(
            f"{path}: not an experiment of this program, or damaged ({error}); export it again"
        ) from error
    if digest.sha256(experiment) != known:
        raise ConfigError(
            f"{path}: changed after it was exported (SHA-256 differs); export it again, or bring it in as records of "
            "your own with hil calibrate --from"
        )
    return experiment


def _to_hdf5(experiment: Experiment) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["sha256"] = digest.sha256(experiment)
        # Not an attribute: those end at 64 KiB.
        file["origin"] = experiment.origin.model_dump_json()
        chunked: dict[str, Any] = {"compression": "gzip", "shuffle": True} if len(experiment.shots) else {}
        shots = file.create_dataset("shots", data=experiment.shots, **chunked)
        shots.attrs["units"] = json.dumps(UNITS)
    return buffer.getvalue()


def _from_hdf5(path: Path) -> _Written:
    import h5py

    with h5py.File(path) as file:
        shots, origin = file["shots"], file["origin"]
        if not (isinstance(shots, h5py.Dataset) and isinstance(origin, h5py.Dataset)):
            raise ValueError("shots and origin are no data sets")
        return str(file.attrs["sha256"]), str(origin.asstr()[()]), np.asarray(shots[()]).astype(SHOT, casting="equiv")


def _to_parquet(experiment: Experiment) -> bytes:
    import pyarrow.parquet as pq

    table = _arrow(experiment)
    table = table.replace_schema_metadata(
        {"sha256": digest.sha256(experiment), "origin": experiment.origin.model_dump_json()}
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def _from_parquet(path: Path) -> _Written:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    metadata = table.schema.metadata or {}
    return metadata[b"sha256"].decode(), metadata[b"origin"].decode(), _shots(table)


def _to_csv(experiment: Experiment) -> bytes:
    from pyarrow import csv

    buffer = io.BytesIO()
    head = f"{_CSV_MARK}{digest.sha256(experiment)} {experiment.origin.model_dump_json()}\n{','.join(_FIELDS)}\n"
    buffer.write(head.encode())
    csv.write_csv(_arrow(experiment), buffer, csv.WriteOptions(include_header=False, quoting_style="none"))
    return buffer.getvalue()


def _from_csv(path: Path) -> _Written:
    from pyarrow import csv

    with path.open("rb") as file:
        first = file.readline().decode().removeprefix(_CSV_MARK).rstrip("\n")
        known, _, origin = first.partition(" ")
        types = {field.name: field.type for field in _schema()}
        convert = csv.ConvertOptions(column_types=types, null_values=[], include_columns=list(_FIELDS))
        return known, origin, _shots(csv.read_csv(file, convert_options=convert))


def _schema() -> "pa.Schema":
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(name, pa.from_numpy_dtype(SHOT[name]), metadata={"unit": UNITS[name]} if name in UNITS else None)
            for name in _FIELDS
        ]
    )


def _arrow(experiment: Experiment) -> "pa.Table":
    import pyarrow as pa

    columns = [pa.array(np.ascontiguousarray(experiment.shots[name])) for name in _FIELDS]
    return pa.Table.from_arrays(columns, schema=_schema())


def _shots(table: "pa.Table") -> np.ndarray:
    shots = np.empty(table.num_rows, SHOT)
    for name in _FIELDS:
        shots[name] = table.column(name).to_numpy()
    return shots


_WRITERS: dict[str, Callable[[Experiment], bytes]] = {".h5": _to_hdf5, ".parquet": _to_parquet, ".csv": _to_csv}
_READERS: dict[bytes, Callable[[Path], _Written]] = {
    b"\x89HDF": _from_hdf5,
    b"PAR1": _from_parquet,
    _CSV_MARK.encode(): _from_csv,
}
