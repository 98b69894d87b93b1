"""How Keithley's TSP instruments are spoken to: a message is Lua, and what it prints is the reply.

Numbers come as `1.00000e+00`, values of one `print` with tabs between them.
"""

from drivers import scpi
from drivers.dialect import Dialect
from drivers.errors import LinkDesync

_ERROR_FIELDS = 4


def parse_error(text: str) -> scpi.ErrorEntry:
    """Return the entry that `print(errorqueue.next())` shows: code, message, severity and node with tabs between."""
    fields = text.split("\t")
    if len(fields) != _ERROR_FIELDS:
        raise LinkDesync(f"expected an error-queue entry of {_ERROR_FIELDS} fields, got {scpi.excerpt(text)}")
    code = scpi.parse_real(fields[0])
    if code != int(code):
        raise LinkDesync(f"expected a whole error number, got {scpi.excerpt(text)}")
    return scpi.ErrorEntry(code=int(code), text=fields[1])


def parse_fields(text: str, count: int) -> list[str]:
    """Return the `count` values of one `print`."""
    fields = text.split("\t")
    if len(fields) != count:
        raise LinkDesync(f"expected {count} values with tabs between, got {scpi.excerpt(text)}")
    return fields


def parse_boolean(text: str) -> bool:
    """Return the truth value that Lua prints as `true` or `false`."""
    if text not in ("true", "false"):
        raise LinkDesync(f"expected true or false, got {scpi.excerpt(text)}")
    return text == "true"


def is_zero(text: str) -> bool:
    """Return whether a reply is the number zero."""
    try:
        return scpi.parse_real(text) == 0
    except LinkDesync:
        return False


TSP = Dialect(error_query="print(errorqueue.next())", parse_error=parse_error, joint=None)
"""Common commands as IEEE 488.2 has them, Lua for everything else; every question needs a message of its own."""
