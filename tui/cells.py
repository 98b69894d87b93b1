"""Text that a terminal may show: harmless whoever wrote it, and as wide as it should be."""

import re
import unicodedata

from rich.cells import cell_len, set_cell_size

ELLIPSIS = "…"

_HARMLESS = re.compile(r"[\x20-\x7e\u2800-\u28ff]*")
_REPLACED = "·"


def printable(text: str) -> str:
    """Return `text` with every control, format and undefined character replaced by a visible one.

    An instrument's reply may hold escape sequences; the terminal must show them, not obey them.
    """
    if _HARMLESS.fullmatch(text):
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return _REPLACED
    return character


def left(text: str, width: int) -> str:
    """Return `text` in exactly `width` cells, cut with an ellipsis or filled on the right."""
    return set_cell_size(shorten(text, width), width)


def right(text: str, width: int) -> str:
    """Return `text` in exactly `width` cells, cut with an ellipsis or filled on the left."""
    short = shorten(text, width)
    return " " * (width - cell_len(short)) + short


def shorten(text: str, width: int) -> str:
    """Return `text` printable and in at most `width` cells."""
    text = printable(text)
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + ELLIPSIS if width > 0 else ""


def shorten_middle(text: str, width: int) -> str:
    """Return `text` printable and in at most `width` cells, both ends kept."""
    text = printable(text)
    if cell_len(text) <= width or width < 5:
        return shorten(text, width)
    tail = text[-(width // 3) :]
    while cell_len(tail) > width // 3:  # wide characters: fewer of them fit
        tail = tail[1:]
    return set_cell_size(text, width - 1 - cell_len(tail)) + ELLIPSIS + tail


def wrap(text: str, width: int) -> list[str]:
    """Return `text` broken into lines of at most `width` cells, at spaces where there are any."""
    lines = [""]
    for word in printable(text).split(" "):
        candidate = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(candidate) <= width:
            lines[-1] = candidate
            continue
        if lines[-1]:
            lines.append("")
        while cell_len(word) > width > 0:
            lines[-1] = set_cell_size(word, width)
            word = word[len(lines[-1].rstrip()) or 1 :]
            lines.append("")
        lines[-1] = word
    return lines
