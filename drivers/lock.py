"""One program per instrument: two that talk to it at once take each other's replies and change each other's settings.

A raw socket takes every client and pyvisa-py has no lock, so programs agree on lock files: one named after the
resource, taken before a byte is sent, and one named after the serial number, because an instrument has more than one
address. The operating system frees them when their holder dies, however it dies. They bind the programs of one user on
one machine; against others there are the instrument's own lock (`drivers.interface_lock`) and `Session.verify`.
"""

import fcntl
import hashlib
import ipaddress
import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self, final

from drivers.errors import ConfigError, InstrumentBusy
from drivers.protocols import Identity

FOLDER_VARIABLE: Final = "DOMAINWALL_LOCKS"
"""Environment variable that names another folder for lock files: all programs must agree on it."""

_LONGEST_NOTE = 512


def lock_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return the folder of the lock files of this user.

    It does not hang on `TMPDIR` or on a login session, in which two programs of one user may differ.
    """
    chosen = (os.environ if environment is None else environment).get(FOLDER_VARIABLE)
    return Path(chosen) if chosen else Path(f"/tmp/domainwall-hil-{os.getuid()}")  # noqa: S108 - checked before use


def resource_key(canonical: str) -> str:
    """Return one name for all spellings of a VISA resource.

    Args:
        canonical: the resource name with the parts that may be left out, as VISA's own parser gives it.
    """
    interface, *rest = re.split(r"::(?![^\[]*\])", canonical)
    if interface.upper().startswith("ASRL"):
        port = interface[len("ASRL") :]
        # A port goes by several links: /dev/serial/by-id/... leads to /dev/ttyUSB0.
        return f"ASRL{os.path.realpath(port) if port.startswith('/') else port}::INSTR"
    if interface.upper().startswith("TCPIP") and rest:
        # The board number says which network card; the instrument is the same.
        interface, rest = "TCPIP", [_host(rest[0]), *rest[1:]]
    if interface.upper().startswith("GPIB"):
        rest = [*(part for part in map(_number, rest) if part.upper() != "INSTR"), "INSTR"]
    if interface.upper().startswith("USB"):
        rest = [*map(_number, rest[:2]), *rest[2:]]
    return "::".join((interface, *rest)).upper()


def identity_key(identity: Identity) -> str | None:
    """Return the name of an instrument wherever it is connected; None if its serial number tells nothing."""
    serial = identity.serial.strip().casefold()
    if not serial.strip("0.- ") or serial in ("n/a", "none", "unknown"):
        return None
    return "\n".join((identity.manufacturer, identity.model, serial)).casefold()


@final
class InstrumentLock:
    """A lock that is held, until `release` or the end of the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, key: str, shown: str, *, folder: Path | None = None) -> Self:
        """Take the lock of an instrument.

        Args:
            key: what the instrument is called among programs.
            shown: what a person calls it.
            folder: where lock files are; None for this user's folder.

        Raises:
            InstrumentBusy: naming the program that holds it.
            ConfigError: if the folder belongs to somebody else or is open to others.
        """
        descriptor = _open(_trusted(folder or lock_folder()), key)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, _note(shown), 0)
        except BlockingIOError as error:
            holder = _printable(os.pread(descriptor, _LONGEST_NOTE, 0))
            os.close(descriptor)
            raise InstrumentBusy(
                f"{shown} is in use by {holder or 'another program'}: one program at a time, end the other first"
            ) from error
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock up; twice is allowed."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            # The file stays: whoever removed it would take it from under a program that is just opening it.
            os.close(descriptor)


def _open(folder: Path, key: str) -> int:
    # A digest, because a resource name may hold what a file name may not.
    name = hashlib.sha256(key.encode()).hexdigest()[:32]
    try:
        return os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"no lock file: {error}; name another folder in {FOLDER_VARIABLE}") from error


def _trusted(folder: Path) -> Path:
    """Return the folder once it is there and nobody else can write to it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ConfigError(f"no folder for lock files: {error}; name another in {FOLDER_VARIABLE}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o022:
        raise ConfigError(
            f"{folder} is no folder that only you can write to: remove it, or name another in {FOLDER_VARIABLE}"
        )
    return folder


def _note(shown: str) -> bytes:
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else Path(sys.executable).name
    return f"process {os.getpid()} ({program} {' '.join(sys.argv[1:4])}) as {shown}".encode()[:_LONGEST_NOTE]


def _printable(note: bytes) -> str:
    return re.sub(r"[^ -~]", "?", note.decode("latin-1")).strip()


def _host(name: str) -> str:
    if name.casefold() in ("localhost", "localhost.localdomain", "ip6-localhost"):
        return "loopback"
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name.rstrip(".")
    return "loopback" if address.is_loopback else str(address)


def _number(part: str) -> str:
    """Return a number in one notation; what is none, as it is."""
    if re.fullmatch(r"0[xX][0-9A-Fa-f]{1,8}", part):
        return str(int(part, 16))
    return str(int(part)) if re.fullmatch(r"[0-9]{1,9}", part) else part
