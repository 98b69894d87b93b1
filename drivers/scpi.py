"""IEEE 488.2 text and blocks, strictly: values to bytes and back, without a wire.

A parser takes the whole reply and nothing but the form it was asked for. Everything else raises `LinkDesync`, because
a reply of another form may belong to another question.
"""

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from drivers.errors import ConfigError, LimitError, LinkDesync
from drivers.protocols import Identity

LF = b"\n"
"""Ends every message."""

OVERFLOW = 9.9e37
"""Magnitudes from here on are SCPI's infinity and not-a-number, not measurements."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")
_REAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[Ee][+-]?[0-9]+)?")
_STRING = re.compile(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'')
_ERROR = re.compile(r"([+-]?[0-9]{1,6}) *, *(.+)")
_EXCERPT = 60
_BLOCK_DIGITS = tuple(b"%d" % digits for digits in range(1, 10))

LONGEST_HEADER = 2 + 9
"""Bytes of the longest header of a definite-length block."""

INDEFINITE = b"#0"
"""The header of a block without a length, which the end of the message ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEntry:
    """One entry of an instrument's error queue."""

    code: int
    """0 means that the queue is empty."""
    text: str
    """The instrument's words."""

    @property
    def is_severe(self) -> bool:
        """Whether the instrument itself is unwell: SCPI's hardware errors, failed self test, lost calibration."""
        return -249 <= self.code <= -240 or -349 <= self.code <= -310

    def __str__(self) -> str:
        return f'{self.code:+d},"{self.text}"'


def excerpt(data: bytes | str) -> str:
    """Return the beginning of a reply, printable, for an error message."""
    shown = repr(bytes(data[:_EXCERPT]).decode("latin-1") if not isinstance(data, str) else data[:_EXCERPT])
    return shown if len(data) <= _EXCERPT else f"{shown}... ({len(data)} bytes)"


def format_number(value: float) -> str:
    """Return a number as NR1, NR2 or NR3 text that reads back as the same number.

    Raises:
        LimitError: if it is not finite.
    """
    if isinstance(value, int | np.integer):
        return str(int(value))
    if not math.isfinite(value):
        raise LimitError(f"{value} cannot be sent: an instrument takes finite numbers only")
    return repr(float(value)).upper()


def format_boolean(value: bool) -> str:
    """Return `ON` or `OFF`."""
    return "ON" if value else "OFF"


def format_string(text: str) -> str:
    """Return a quoted string.

    Raises:
        ConfigError: if it holds anything but printable ASCII.
    """
    if not (text.isascii() and text.isprintable()):
        raise ConfigError(f"{text!r} cannot be sent: use printable ASCII")
    return '"' + text.replace('"', '""') + '"'


def parse_text(reply: bytes, end: bytes = LF) -> str:
    """Return the one line of printable ASCII that a reply must be, without its terminator."""
    if not reply.endswith(end):
        raise LinkDesync(f"reply {excerpt(reply)} does not end with {end!r}")
    try:
        text = bytes(reply[: -len(end)]).decode("ascii")
    except UnicodeDecodeError as error:
        raise LinkDesync(f"reply {excerpt(reply)} is not ASCII") from error
    if not text.replace("\t", " ").isprintable():  # TSP instruments put tabs between values
        raise LinkDesync(f"reply {excerpt(reply)} is not one line of printable text")
    return text


def parse_integer(text: str) -> int:
    """Return the integer (NR1) that `text` is."""
    if not _INTEGER.fullmatch(text):
        raise LinkDesync(f"expected an integer, got {excerpt(text)}")
    return int(text)


def parse_real(text: str) -> float:
    """Return the number (NR1, NR2 or NR3) that `text` is."""
    value = float(text) if _REAL.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise LinkDesync(f"expected a number, got {excerpt(text)}")
    return value


def parse_boolean(text: str) -> bool:
    """Return the truth value that `0` or `1` stands for."""
    if text not in ("0", "1"):
        raise LinkDesync(f"expected 0 or 1, got {excerpt(text)}")
    return text == "1"


def parse_string(text: str) -> str:
    """Return what stands between the quotes."""
    if not _STRING.fullmatch(text):
        raise LinkDesync(f"expected a quoted string, got {excerpt(text)}")
    return text[1:-1].replace(text[0] * 2, text[0])


def parse_integers(text: str, count: int) -> tuple[int, ...]:
    """Return the `count` integers of a comma-separated list."""
    return tuple(parse_integer(field) for field in _fields(text, count))


def parse_reals(text: str, count: int) -> tuple[float, ...]:
    """Return the `count` numbers of a comma-separated list."""
    return tuple(parse_real(field) for field in _fields(text, count))


def parse_error(text: str) -> ErrorEntry:
    """Return the error-queue entry `<code>,"<text>"`."""
    match = _ERROR.fullmatch(text)
    if not match:
        raise LinkDesync(f"expected an error-queue entry, got {excerpt(text)}")
    return ErrorEntry(code=int(match[1]), text=parse_string(match[2]))


def parse_identity(text: str) -> Identity:
    """Return the four fields of an `*IDN?` reply."""
    manufacturer, model, serial, firmware = (field.strip() for field in _fields(text, 4))
    return Identity(manufacturer=manufacturer, model=model, serial=serial, firmware=firmware)


def block_header(byte_count: int) -> bytes:
    """Return the header `#<digits><length>` of a definite-length block.

    Raises:
        LimitError: if the length needs more than nine digits.
    """
    length = b"%d" % byte_count
    if byte_count < 0 or len(length) > 9:
        raise LimitError(f"a block of {byte_count} bytes cannot be framed: send it in pieces below 1 GB")
    return b"#%d%s" % (len(length), length)


def block_digits(start: bytes) -> int:
    """Return how many digits of length follow the two bytes that open a definite-length block."""
    if len(start) < 2 or start[:1] != b"#" or start[1:2] not in _BLOCK_DIGITS:
        raise LinkDesync(f"expected a definite-length block, got {excerpt(start)}")
    return start[1] - ord("0")


def check_block_header(header: bytes, size: int, *, indefinite: bool = False) -> None:
    """Raise `LinkDesync` unless this is the whole header of a block of `size` bytes."""
    if indefinite:
        is_right = header == INDEFINITE
    else:
        declared = bytes(header[2:])
        is_right = len(declared) == block_digits(header) and declared.isdigit() and int(declared) == size
    if not is_right:
        raise LinkDesync(f"expected a block of {size} bytes, got {excerpt(header)}")


def decode_block(
    reply: bytes, dtype: DTypeLike, count: int, *, indefinite: bool = False, end: bytes = LF
) -> NDArray[np.generic]:
    """Return the `count` items of a reply that is one block and a terminator, as a view of the reply.

    Args:
        reply: the whole reply.
        dtype: type of the items.
        count: how many there must be.
        indefinite: whether the block has no length of its own (`#0`), so that the size of the reply tells.
        end: the terminator.
    """
    item = np.dtype(dtype)
    size = item.itemsize * count
    start = len(INDEFINITE) if indefinite else 2 + block_digits(reply)
    check_block_header(reply[:start], size, indefinite=indefinite)
    if len(reply) != start + size + len(end) or reply[start + size :] != end:
        raise LinkDesync(
            f"expected {size} bytes and a terminator after the block header, got {len(reply) - start} bytes"
        )
    return np.frombuffer(reply, item, count, offset=start)


def _fields(text: str, count: int) -> list[str]:
    fields = text.split(",")
    if len(fields) != count:
        raise LinkDesync(f"expected {count} fields, got {excerpt(text)}")
    return fields
