"""Programs for the array controller: patterns of counts for 64 devices."""

from random import Random

from guard_programs.vocabulary import (
    LAWFUL_WIDTHS,
    LEVELS,
    ON_OFF,
    VOLTS,
    WIDTHS,
    Vocabulary,
    block,
    from_table,
    texts,
)

NEXT_TAG = b"@"
"""Stands for a tag that the controller takes: tags only ever rise, from program to program."""


def _counts(pick: Random, side: str, size: int) -> bytes:
    most = pick.choice((1, 5, 20, 255))
    return block(side, bytes(min(byte, most) for byte in pick.randbytes(size)))


def _block(pick: Random) -> bytes:
    return _counts(pick, pick.choice(("PATT:PUSH 0,", "PATT:PULL 0,", "PATT:PUSH 3,")), pick.choice((4, 64, 61)))


def _ready(pick: Random) -> list[bytes]:
    return [
        *texts(
            f"PULS:PUSH:AMPL {pick.choice(LEVELS)}",
            f"PULS:PUSH:WIDT {pick.choice(('5e-9', *LAWFUL_WIDTHS))}",
            f"PULS:PULL:AMPL {pick.choice(LEVELS)}",
            f"PULS:PULL:WIDT {pick.choice(('5e-9', *LAWFUL_WIDTHS))}",
            "SYST:ERR?",
            "PATT:CLE",
        ),
        # Both blocks of one length, or the controller refuses the pattern.
        _counts(pick, "PATT:PUSH 0,", 64),
        _counts(pick, "PATT:PULL 0,", 64),
        *texts("PATT:TAG @", "OUTP ON", "INIT", "SYST:ERR?"),
    ]


VOCABULARY = Vocabulary(
    command=from_table(
        {
            "PULS:PUSH:AMPL": VOLTS,
            "PULS:PUSH:WIDT": WIDTHS,
            "PULSE:PULL:AMPLITUDE": VOLTS,
            "PULS:PULL:WIDT": WIDTHS,
            "OUTP": ON_OFF,
            "PATT:CLE": ("",),
            "INIT": ("",),
            "PATT:TAG": ("1", "2", "3", "@"),
        }
    ),
    ready=_ready,
    block=_block,
    foreign=(b"PULS:PUSH:AMPL 5", b"PULS:PULL:WIDT 1e-5", b"OUTP ON"),
    error_query=b"SYST:ERR?\n",
)
