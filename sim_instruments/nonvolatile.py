"""What survives power-off: the walls' state and counters in memory-mapped files.

The kernel keeps written pages of a mapped file when the process is killed, so nothing is lost by `kill -9` and no write
ever waits for a disk. A power cut of the computer itself may lose the last seconds.

A folder holds one file for each number that the walls' model keeps per device, `position.f32` and others,
little-endian, and `counters.bin`, one record with a fingerprint of the sample's description: the state of one sample is
not taken for another's. `lock` keeps a second process out.
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

from sim_instruments.physics.walls import Kept

_MAGIC: Final = b"DWSTATE2"
_CONTROLLERS: Final = 16

_CONTROLLER: Final = np.dtype([("serial", "S64"), ("tag", "<i8"), ("push_pulses", "<i8"), ("pull_pulses", "<i8")])
_RECORD: Final = np.dtype(
    [
        ("magic", "S8"),
        ("fingerprint", "S64"),
        ("power_ons", "<i8"),
        ("events", "<i8"),
        ("time_s", "<f8"),
        ("rested_s", "<f8"),
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
    """State of the walls and counters of one sample. Built by `volatile` or `kept_in`.

    Attributes:
        state: the arrays that the walls' model keeps, by name, each of shape (devices,).
        counters: the record, shape (1,): `events`, `time_s`, `rested_s`, `push_pulses`, `pull_pulses`, `energy_j`.
        power_ons: how often the sample was switched on before; 0 the first time.
    """

    def __init__(self, state: dict[str, NDArray[Any]], counters: NDArray[Any], files: "_Files | None") -> None:
        self.state = state
        self.counters = counters
        self.power_ons = int(counters["power_ons"][0])
        self._files = files

    @classmethod
    def volatile(cls, devices: int, kept: tuple[Kept, ...]) -> "Memory":
        """Return a memory that ends with the process."""
        state = {one.name: np.full(devices, one.initial, one.dtype) for one in kept}
        return cls(state, np.zeros(1, _RECORD), None)

    @classmethod
    def kept_in(cls, folder: Path, devices: int, kept: tuple[Kept, ...], description: dict[str, Any]) -> "Memory":
        """Open the state in a folder, or start it there. The folder is made if need be.

        Args:
            folder: where the files are.
            devices: number of devices.
            kept: what is kept of each device, and where it starts if there is no state yet.
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
                files.start(devices, kept, _fingerprint(description))
            counters = files.map(files.counters, _RECORD, 1)
            _check(counters, folder, _fingerprint(description))
            state = {one.name: files.map(files.array(one), one.dtype.newbyteorder("<"), devices) for one in kept}
        except StateError:
            files.close()
            raise
        except OSError as error:
            files.close()
            raise _unusable(folder, error) from error
        memory = cls(state, counters, files)
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

    def array(self, kept: Kept) -> Path:
        """Return the file of one array."""
        return self.folder / f"{kept.name}.{kept.dtype.kind}{8 * kept.dtype.itemsize}"

    def start(self, devices: int, kept: tuple[Kept, ...], fingerprint: bytes) -> None:
        """Write a fresh state. The counters come last: without them there is no state."""
        new = self.folder / "new"
        for one in kept:
            with new.open("wb") as file:
                np.full(devices, one.initial, one.dtype.newbyteorder("<")).tofile(file)
            os.replace(new, self.array(one))
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
