"""The errors an instrument puts into its queue."""

from typing import Final, final

_TEXTS: Final = {
    0: "No error",
    -100: "Command error",
    -101: "Invalid character",
    -102: "Syntax error",
    -103: "Invalid separator",
    -104: "Data type error",
    -108: "Parameter not allowed",
    -109: "Missing parameter",
    -113: "Undefined header",
    -114: "Header suffix out of range",
    -121: "Invalid character in number",
    -131: "Invalid suffix",
    -138: "Suffix not allowed",
    -151: "Invalid string data",
    -161: "Invalid block data",
    -171: "Invalid expression",
    -211: "Trigger ignored",
    -200: "Execution error",
    -203: "Command protected",
    -213: "Init ignored",
    -221: "Settings conflict",
    -222: "Data out of range",
    -223: "Too much data",
    -224: "Illegal parameter value",
    -230: "Data corrupt or stale",
    -241: "Hardware missing",
    -350: "Queue overflow",
    -363: "Input buffer overrun",
    -410: "Query INTERRUPTED",
    -420: "Query UNTERMINATED",
}

_LONGEST_TEXT: Final = 255  # SCPI's limit for a queue entry


@final
class ScpiError(Exception):
    """What an instrument reports instead of doing as told: it reaches the client through the error queue only."""

    def __init__(self, code: int, detail: str = "", text: str | None = None) -> None:
        """Make an error; `text` replaces the standard's words for numbers that are a model's own."""
        super().__init__(code, detail)
        self.code: Final = code
        words = _TEXTS[code] if text is None else text
        text = f"{words};{detail}" if detail else words
        self.text: Final = text[:_LONGEST_TEXT]

    @property
    def is_command_error(self) -> bool:
        """Whether the message itself was wrong: an instrument then drops what is left of it."""
        return -199 <= self.code <= -100


NO_ERROR: Final = ScpiError(0)
"""The answer of an empty queue."""
