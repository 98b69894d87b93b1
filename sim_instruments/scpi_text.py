"""Text between quotes, as displays take it."""

from dataclasses import dataclass
from typing import final

from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Quoted, Raw


@final
@dataclass(frozen=True, slots=True)
class Text:
    """A line of text between quotes."""

    def parse(self, raw: Raw) -> str:
        """Return what stands between the quotes."""
        if not isinstance(raw, Quoted):
            raise ScpiError(-104, "expected a string between quotes")
        return raw.text
