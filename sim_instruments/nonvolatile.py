"""What survives power-off: wall positions and counters in memory-mapped files.

The kernel keeps written pages of a mapped file when the process is killed, so nothing is lost by `kill -9` and no write
ever waits for a disk. A power cut of the computer itself may lose the last seconds.

A folder holds `positions.f32`, one little-endian float32 a device, and `counters.bin`, one record with a fingerprint of
the sample's description: the state of one sample is not taken for another's. `lock` keeps a second process out.
"""

import fcntl
import hashlib
import json
import mmap
import os
import weakref
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

_MAGIC: Final = b"DWSTATE1"
_CONTROLLERS: Final = 16

_CONTROLLER: Final = np.dtype([("serial", "S64"), ("tag", "<i8"), ("push_pulses", "<i8"), ("pull_pulses", "<i8")])
_RECORD: Final = np.dtype(
    [
        ("magic", "S8"),
        ("fingerprint", "S64"),
        ("power_ons", "<i8"),
        ("events", "<i8"),
        ("time_s", "<f8"),
        ("push_pulses", "<i8"),
        ("pull_pulses", "<i8"),
        ("energy_j", "<f8"),
        ("controllers", _CONTROLLER, (_CONTROLLERS,)),
    ]
)


class StateError(ValueError):
    """The state in a folder cannot be used; the message says why and what to do."""


@final
class Memory:
    """Positions and counters of one sample. Built by `volatile` or `kept_in`.

    Attributes:
        position: float32, shape (devices,), fraction of the track.
        counters: the record, shape (1,): `events`, `time_s`, `push_pulses`, `pull_pulses`, `energy_j`.
        power_ons: how often the sample was switched on before; 0 the first time.
    """

    def __init__(self, position: NDArray[np.float32], counters: NDArray[Any], files: "_Files | None") -> None:
        self.position = position
        self.counters = counters
        self.power_ons = int(counters["power_ons"][0])
        self._files = files

    @classmethod
    def volatile(cls, devices: int, initial_position: float) -> "Memory":
        """Return a memory that ends with the process."""
        return cls(np.full(devices, initial_position, np.float32), np.zeros(1, _RECORD), None)

    @classmethod
    def kept_in(cls, folder: Path, devices: int, initial_position: float, description: dict[str, Any]) -> "Memory":
        """Open the state in a folder, or start it there. The folder is made if need be.

        Args:
            folder: where the files are.
            devices: number of devices.
            initial_position: where every wall starts if there is no state yet.
            description: all that makes this sample what it is; another one is refused.

        Raises:
            StateError: if the state is another sample's, damaged, or in use by another process.
        """
        try:
            files = _Files(folder)
        except OSError as error:
            raise _unusable(folder, error) from error
        try:
            if not files.counters.exists():
                files.start(devices, initial_position, _fingerprint(description))
            counters = files.map(files.counters, _RECORD, 1)
            _check(counters, folder, _fingerprint(description))
            position = files.map(files.positions, np.dtype("<f4"), devices)
        except StateError:
            files.close()
            raise
        except OSError as error:
            files.close()
            raise _unusable(folder, error) from error
        memory = cls(position, counters, files)
        counters["power_ons"] += 1
        return memory

    def controller(self, serial: str) -> NDArray[Any]:
        """Return the record of one array controller, shape (1,): `tag`, `push_pulses`, `pull_pulses` fired last.

        Raises:
            StateError: if there are too many controllers.
        """
        name = serial.encode("ascii")
        records = self.counters["controllers"][0]
        for index in range(_CONTROLLERS):
            if records["serial"][index] in (b"", name):
                records["serial"][index] = name
                return records[index : index + 1]
        raise StateError(f"a sample remembers at most {_CONTROLLERS} array controllers")

    def close(self) -> None:
        """Write everything to the disk and let others have the folder. The arrays stay usable."""
        if self._files is not None:
            self._files.close()


@final
class _Files:
    """The files of one folder, locked for this process until `close` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.positions = folder / "positions.f32"
        self.counters = folder / "counters.bin"
        self._maps: list[mmap.mmap] = []
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        # A bench that is dropped without being closed must not keep its folder locked.
        self._unlock = weakref.finalize(self, os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._unlock()
            raise StateError(
                f"{folder}: another simulated bench uses this state: stop it or name another folder"
            ) from None

    def start(self, devices: int, initial_position: float, fingerprint: bytes) -> None:
        """Write a fresh state. The counters come last: without them there is no state."""
        new = self.folder / "new"
        with new.open("wb") as file:
            np.full(devices, initial_position, "<f4").tofile(file)
        os.replace(new, self.positions)
        counters = np.zeros(1, _RECORD)
        counters["magic"], counters["fingerprint"] = _MAGIC, fingerprint
        with new.open("wb") as file:
            counters.tofile(file)
        os.replace(new, self.counters)

    def map(self, path: Path, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        """Map a file as an array; what is written to it is in the file at once."""
        size = dtype.itemsize * count
        with path.open("r+b") as file:
            if (found := os.fstat(file.fileno()).st_size) != size:
                raise StateError(f"{path}: {found} bytes where {size} were expected: damaged, or of another sample")
            mapped = mmap.mmap(file.fileno(), size)
        self._maps.append(mapped)
        return np.frombuffer(mapped, dtype)

    def close(self) -> None:
        for mapped in self._maps:
            mapped.flush()
        self._unlock()


def _unusable(folder: Path, error: OSError) -> StateError:
    return StateError(f"{folder}: {error.strerror}: {error.filename or 'the state'}")


def _check(counters: NDArray[Any], folder: Path, fingerprint: bytes) -> None:
    if counters["magic"][0] != _MAGIC:
        raise StateError(f"{folder}/counters.bin: not a state of this version: name another folder or remove this one")
    if counters["fingerprint"][0] != fingerprint:
        raise StateError(
            f"{folder}: this is the state of a sample with another description: name another folder, or mend [sample]"
        )


def _fingerprint(description: dict[str, Any]) -> bytes:
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest().encode("ascii")
