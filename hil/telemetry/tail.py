"""Whole lines from the end of a file that another process appends to."""

from pathlib import Path
from typing import final

READ_AT_MOST = 8 << 20
"""Bytes taken per look, so that one look at a long file stays short."""


@final
class Tail:
    """The lines appended to a file since the last look; a torn last line waits for its end.

    Args:
        path: the file, which need not exist yet.
        read_at_most: bytes per look; a line longer than this is given up in pieces, which no decoder will take.
    """

    def __init__(self, path: Path, read_at_most: int = READ_AT_MOST) -> None:
        self._path = path
        self._read_at_most = read_at_most
        self._offset = 0
        self.is_behind = False

    def new_lines(self) -> list[bytes]:
        """Return the whole lines that are new, at most `read_at_most` bytes of them."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:
                    self._offset = 0  # the file was written anew
                file.seek(self._offset)
                content = file.read(self._read_at_most)
        except OSError:
            self.is_behind = False
            return []
        self.is_behind = len(content) == self._read_at_most
        end = content.rfind(b"\n") + 1
        if self.is_behind and end == 0:
            end = len(content)  # no line is this long: waiting for its end would stop the view for ever
        self._offset += end
        return [line for line in content[:end].split(b"\n") if line]
