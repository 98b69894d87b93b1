"""Cells of a table, from CSV or Parquet, with the place of each for messages."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from calibration.shots.columns import ColumnNames, CsvStyle
from drivers.errors import ConfigError


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The columns of a table that were asked for, by what they mean."""

    path: Path
    """The file."""
    names: dict[str, str]
    """Names of the columns."""
    columns: dict[str, NDArray[Any]]
    """Texts (object arrays) or numbers, all of the same length."""
    line: NDArray[np.int64]
    """Where each row stands: the line of a CSV file, the number of the row, from 1, in a Parquet file."""
    word: str
    """What `line` counts: `line` or `row`."""
    decimal: str
    """Decimal mark of texts."""

    def wrong(self, role: str, index: int, complaint: str) -> ConfigError:
        """Return the error that names this cell."""
        return ConfigError(f"{self.path}: {self.word} {self.line[index]}, column {self.names[role]!r}: {complaint}")

    def numbers(self, role: str) -> NDArray[np.float64]:
        """Return a column as numbers, nan where a cell is empty.

        Raises:
            ConfigError: a cell is no number.
        """
        cells = self.columns[role]
        if cells.dtype.kind in "iuf":
            return cells.astype(np.float64)
        texts = [self._text(cell) for cell in cells]
        try:
            return np.array(texts, np.float64)
        except ValueError:
            index = next(index for index, text in enumerate(texts) if not _is_number(text))
            hint = '; decimal commas need decimal = "," under [csv]' if "," in str(cells[index]) else ""
            raise self.wrong(role, index, f"{str(cells[index])!r} is not a number; mend it or empty it{hint}") from None

    def words(self, role: str) -> list[str]:
        """Return a column as texts without blanks around them."""
        return ["" if cell is None else str(cell).strip() for cell in self.columns[role].tolist()]

    def _text(self, cell: object) -> str:
        text = "" if cell is None else str(cell).strip()
        return (text.replace(",", ".") if self.decimal == "," else text) or "nan"


def read_cells(path: Path, columns: ColumnNames, style: CsvStyle) -> Cells:
    """Read the columns that are named.

    Raises:
        ConfigError: the file cannot be read, is neither CSV nor Parquet, or lacks a column.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return _from_parquet(path, columns.names)
        if suffix in (".csv", ".tsv", ".txt", ".dat"):
            return _from_csv(path, columns.names, style)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error}); give the table") from error
    raise ConfigError(f"{path}: neither .csv nor .parquet; save the table as one of them")


def _from_csv(path: Path, names: dict[str, str], style: CsvStyle) -> Cells:
    try:
        with path.open(encoding=style.encoding, newline="") as file:
            lines = csv.reader(file, delimiter=style.delimiter)
            rows = ((lines.line_num, row) for row in lines if row and not row[0].startswith("#"))
            _, header = next(rows, (0, []))
            header = [name.strip() for name in header]
            _check_names(path, names, header, f"; cells are cut at {style.delimiter!r}: see delimiter under [csv]")
            wanted = [header.index(name) for name in names.values()]
            kept, places = [], []
            for line, row in rows:
                if len(row) < len(header):
                    raise ConfigError(
                        f"{path}: line {line}: {len(row)} cells, {len(header)} in the first line; mend or remove it"
                    )
                kept.append([row[index] for index in wanted])
                places.append(line)
    except (UnicodeDecodeError, LookupError) as error:
        raise ConfigError(
            f"{path}: not {style.encoding} ({error}); save it as UTF-8 or give its encoding under [csv]"
        ) from error
    except csv.Error as error:
        raise ConfigError(f"{path}: not CSV ({error}); save the table again") from error
    cells = np.array(kept, object).reshape(len(kept), len(names))
    return Cells(
        path=path,
        names=names,
        columns={role: cells[:, index] for index, role in enumerate(names)},
        line=np.array(places, np.int64),
        word="line",
        decimal=style.decimal,
    )


def _from_parquet(path: Path, names: dict[str, str]) -> Cells:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        _check_names(path, names, pq.read_schema(path).names, "")
        table = pq.read_table(path, columns=list(dict.fromkeys(names.values())))
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{path}: not Parquet ({error}); save the table again") from error
    columns = {}
    for role, name in names.items():
        column = table.column(name)
        is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        columns[role] = column.to_numpy() if is_number else np.array([*column.to_pylist(), None], object)[:-1]
    return Cells(
        path=path,
        names=names,
        columns=columns,
        line=np.arange(1, table.num_rows + 1),
        word="row",
        decimal=".",
    )


def _check_names(path: Path, names: dict[str, str], header: list[str], hint: str) -> None:
    for role, name in names.items():
        if name not in header:
            known = ", ".join(repr(one) for one in header) or "none"
            raise ConfigError(
                f"{path}: no column {name!r}, which columns.{role} names; the table has {known}"
                + (hint if len(header) < 2 else "")
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
