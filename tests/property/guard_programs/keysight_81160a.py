"""Programs for the 81160A: pulses and patterns of three levels."""

from random import Random

from guard_programs.vocabulary import (
    COUNTS,
    LAWFUL_COUNTS,
    LEVELS,
    ON_OFF,
    VOLTS,
    WIDTHS,
    Table,
    Vocabulary,
    block,
    from_table,
    texts,
)


def _table(channel: str) -> Table:
    c = channel
    return {
        f":VOLT{c}": VOLTS,
        f":VOLT{c}:OFFS": VOLTS,
        f":VOLTage{c}:HIGH": VOLTS,
        f":SOUR:VOLT{c}:LOW": VOLTS,
        f":VOLT{c}:LEV:IMM:HIGH": VOLTS,
        f":PULS:WIDT{c}": WIDTHS,
        f":PULS:PER{c}": ("1e-5", "3e-9", "1e-7", "1"),
        f":FUNC{c}:PULS:WIDT": WIDTHS,
        f":FUNC{c}": ("PULS", "SIN", "DC", "USER", "PULSe"),
        f":FREQ{c}": ("1e5", "1e7", "1KHZ"),
        f":PULS:DCYC{c}": ("50",),
        f":PULS:HOLD{c}": ("DCYC", "WIDT"),
        f":OUTP{c}": ON_OFF,
        f":OUTP{c}:LOAD": ("50", "2000", "INF", "1", "1e6"),
        f":OUTP{c}:POL": ("NORM", "INV"),
        f":BURS{c}:STAT": ON_OFF,
        f":BURS{c}:NCYC": COUNTS,
        f":BURS{c}:MODE": ("TRIG", "GAT"),
        f":TRIG{c}:COUN": COUNTS,
        f":ARM:SOUR{c}": ("MAN", "IMM", "EXT", "INT2", "MANual"),
        f":DIG{c}:PATT:STAT": ON_OFF,
        f":DIG{c}:PATT:FORM": ("PACK,8", "PACK,1"),
        f":DIG{c}:PATT:NLEV": ("2", "3", "4"),
        f":VOLT{c}:LIM:STAT": ON_OFF,
        f":APPL{c}:PULS": ("1e5,5,0",),
        f":TRAC:CHAN{c}": ON_OFF,
    }


def _block(pick: Random) -> bytes:
    symbols = [pick.choice((2, 2, 2, 2, 1, 0)) for _ in range(pick.randint(4, 64))]
    symbols += [2] * (-len(symbols) % 4)
    packed = bytes(
        sum(value << shift for value, shift in zip(symbols[i : i + 4], (6, 4, 2, 0), strict=True))
        for i in range(0, len(symbols), 4)
    )
    return block(":DIG1:PATT:DATA", packed)


def _ready(pick: Random) -> list[bytes]:
    level, count = pick.choice(LEVELS), pick.choice(LAWFUL_COUNTS)
    return _pulses(pick, level, count) if pick.random() < 0.5 else _pattern(pick, level, count)


def _pulses(pick: Random, level: str, count: str) -> list[bytes]:
    return texts(
        ":OUTP1 OFF",
        ":ARM:SOUR1 MAN",
        ":DIG1:PATT:STAT OFF",
        ":OUTP1:LOAD 2000",
        ":FUNC1 PULS",
        ":OUTP1:POL NORM",
        ":VOLT1 0.1",
        ":VOLT1:OFFS 0.05",
        f":VOLT1:HIGH {level}",
        ":VOLT1:LOW 0",
        ":FUNC1:PULS:TRAN 1e-9",
        ":PULS:WIDT1 1.5e-9",
        ":PULS:PER1 1e-4",
        f":PULS:WIDT1 {pick.choice(('5e-9', '1e-7', '1e-6', '2e-6'))}",
        ":BURS1:MODE TRIG",
        f":BURS1:NCYC {count}",
        ":BURS1:STAT ON",
        ":TRIG1:COUN 1",
        "SYST:ERR?",
        ":OUTP1 ON",
        "SYST:ERR?",
    )


def _pattern(pick: Random, level: str, count: str) -> list[bytes]:
    return [
        *texts(
            ":OUTP1 OFF",
            ":ARM:SOUR1 MAN",
            ":OUTP1:LOAD 2000",
            ":FUNC1 PULS",
            f":VOLT1:HIGH {level}",
            f":VOLT1:LOW -{level}",
            ":PULS:WIDT1 1.5e-9",
            ":FUNC1:PULS:TRAN 1e-9",
            f":PULS:PER1 {pick.choice(('4e-9', '1e-7', '1e-6'))}",
            ":BURS1:MODE TRIG",
            f":BURS1:NCYC {count}",
            ":BURS1:STAT ON",
            ":DIG1:PATT:FORM PACK,8",
            ":DIG1:PATT:NLEV 3",
        ),
        _block(pick),
        *texts(":DIG1:PATT:STAT ON", "SYST:ERR?", ":OUTP1 ON", "SYST:ERR?"),
    ]


VOCABULARY = Vocabulary(
    command=from_table({**_table("1"), **_table(""), ":OUTP2": ON_OFF, ":VOLT2": VOLTS}),
    ready=_ready,
    block=_block,
    foreign=(b":PULS:PER1 1e-3", b":PULS:WIDT1 1e-4", b":TRIG1:COUN 100000", b":VOLT1 5", b":BURS1:NCYC 9999"),
    error_query=b"SYST:ERR?\n",
)
