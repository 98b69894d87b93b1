"""The raw record of a staircase: every reading, as taken, in one file without code in it."""

import hashlib
import io
import zipfile
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Self, final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from calibration.atomic import replace_atomically
from calibration.protocols import Route
from drivers.errors import ConfigError

# What numpy, zipfile and the checks below raise for a file of another kind.
_NOT_A_RECORD = (KeyError, TypeError, ValueError, AttributeError, EOFError, OSError, zipfile.BadZipFile)


@final
class InstrumentIdentity(BaseModel):
    """Who took part in a measurement."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Name in the bench file."""
    manufacturer: str
    model: str
    serial: str
    firmware: str


@final
class Origin(BaseModel):
    """Where, when and with what a record was taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bench: str
    """Name of the bench."""
    library: str
    """VISA library that led to it."""
    route: Route
    """The way to the devices."""
    created: datetime
    """When the measurement ended, UTC."""
    seed: int
    """Seed of the choice of devices and of the order."""
    amplitude_v: float
    """Magnitude of all pulses, volts."""
    reference_width_s: float
    """Width that parameters are to be quoted at, seconds."""
    margin: float
    """Distance from an end stop, fraction of the track, that a usable run keeps."""
    resolution_s: float
    """Smallest difference of two readings, siemens; 0 when it is far below the noise."""
    instruments: tuple[InstrumentIdentity, ...]
    """Who took part."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StaircaseRecord:
    """Every reading of one calibration. Axes: W widths, C cycles, 2 directions (push, pull), N steps, D devices."""

    device: NDArray[np.uint32]
    """Device numbers, shape (D,)."""
    width_s: NDArray[np.float64]
    """Pulse widths, seconds, shape (W,)."""
    pulses: NDArray[np.int64]
    """Pulses of one step, shape (W, 2, D)."""
    conductance_s: NDArray[np.float64]
    """Readings before the first and after each step, siemens, shape (W, C, 2, N + 1, D).

    The last one up is the first one down.
    """
    low_s: NDArray[np.float64]
    """Readings at the low end stop, siemens, shape (R, D)."""
    high_s: NDArray[np.float64]
    """Readings at the high end stop, siemens, shape (R, D)."""
    rest_s: NDArray[np.float64]
    """Readings without pulses in the middle of the track, siemens, shape (Q, D)."""
    origin: Origin
    """Where it comes from."""

    def to_bytes(self) -> bytes:
        """Return the content of the file: the same record gives the same bytes."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "origin"}
        arrays["origin"] = np.frombuffer(self.origin.model_dump_json().encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    def sha256(self) -> str:
        """Return the hash of the file's content."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        replace_atomically(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path, *, sha256: str | None = None) -> Self:
        """Read a record back.

        Args:
            path: the file.
            sha256: hash that the content must have, when known.

        Raises:
            ConfigError: the file cannot be read, is not a record or has another hash.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot be read ({error.strerror}); give the raw record that lies beside the parameters"
            ) from error
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise ConfigError(
                f"{path}: not the record that the parameters were fitted to (SHA-256 differs); "
                "find the original or calibrate again"
            )
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            origin = Origin.model_validate_json(arrays.pop("origin").tobytes())
            record = cls(origin=origin, **arrays)
            record._check_shapes()
        except _NOT_A_RECORD as error:
            raise ConfigError(f"{path}: not a staircase record ({error})") from error
        return record

    def _check_shapes(self) -> None:
        widths, cycles, directions, _, devices = self.conductance_s.shape
        wanted = {
            "device": (devices,),
            "width_s": (widths,),
            "pulses": (widths, 2, devices),
            "low_s": (len(self.low_s), devices),
            "high_s": (len(self.high_s), devices),
            "rest_s": (len(self.rest_s), devices),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} has shape {getattr(self, name).shape}, not {shape}")
        if directions != 2 or cycles < 1:
            raise ValueError(f"conductance_s has {directions} directions and {cycles} cycles")
