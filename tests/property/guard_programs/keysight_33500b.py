"""Programs for the 33500B and the 33600A: pulses, arbitrary waveforms and sequences of them."""

from collections.abc import Callable
from random import Random

import numpy as np

from guard_programs.vocabulary import (
    COUNTS,
    LAWFUL_COUNTS,
    LAWFUL_WIDTHS,
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


def _table(source: str, trigger: str, output: str) -> Table:
    s, t, o = source, trigger, output
    return {
        f"{s}:VOLT": VOLTS,
        f"{s}:VOLT:OFFS": VOLTS,
        f"{s}:VOLTage:HIGH": VOLTS,
        f"{s}:VOLT:LOW": VOLTS,
        f"{s}:FUNC": ("PULS", "SIN", "DC", "ARB", "ARBitrary"),
        f"{s}:FUNC:PULS:WIDT": WIDTHS,
        f"{s}:FUNC:PULS:PER": ("1e-5", "1e-3"),
        f"{s}:FUNC:PULS:HOLD": ("DCYC", "WIDT"),
        f"{s}:FUNC:PULS:DCYC": ("50",),
        f"{s}:FUNC:ARB": ('"A"', '"B"', "S", '"INT:\\BUILTIN\\EXP_RISE.ARB"'),
        f"{s}:FUNC:ARB:SRAT": ("1e6", "1e7", "2e5", "6.6e8", "100"),
        f"{s}:FUNC:ARB:ADV": ("SRAT", "TRIG"),
        f"{s}:DATA:VOL:CLE": ("",),
        "FORM:BORD": ("NORM", "SWAP"),
        f"{s}:BURS:STAT": ON_OFF,
        f"{s}:BURS:NCYC": COUNTS,
        f"{s}:BURS:MODE": ("TRIG", "GAT"),
        f"{t}:SOUR": ("BUS", "IMM", "EXT", "TIM"),
        f"{t}:COUN": COUNTS,
        o: ON_OFF,
        f"{o}:LOAD": ("50", "2000", "INF", "1", "1e4"),
        f"{o}:POL": ("NORM", "INV"),
        f"{s}:APPL:PULS": ("1e5,5,0",),
        f"{s}:FREQ": ("1e5",),
    }


def _block(pick: Random) -> bytes:
    name = pick.choice("AB")
    if pick.randint(0, 3) == 0:
        control = pick.choice(("repeatTilTrig", "once", "onceWaitTrig", "repeatInf"))
        steps = f'"S","B",0,{control},maintain,4,"{name}",{pick.choice((1, 3, 100000))},repeat,maintain,4'
        return block(pick.choice(("SOUR1:DATA:SEQ", "DATA:SEQ")), steps.encode())
    codes = [pick.choice((0, 0, 0, 32767, -32767, 20000, 1000, -32768)) for _ in range(pick.randint(32, 48))]
    if pick.random() < 0.5:
        codes = [0, *codes, 0]
    return block(f"SOUR1:DATA:ARB:DAC {name},", np.array(codes, ">i2").tobytes())


def _ready(edge: str, shortest: str, rates: tuple[str, ...]) -> Callable[[Random], list[bytes]]:
    def draw(pick: Random) -> list[bytes]:
        level, count = pick.choice(LEVELS), pick.choice(LAWFUL_COUNTS)
        if pick.random() < 0.5:
            return _pulses(edge, shortest, pick.choice((shortest, *LAWFUL_WIDTHS)), level, count)
        return _arbitrary(pick, pick.choice(rates), level, count)

    return draw


def _pulses(edge: str, shortest: str, width: str, level: str, count: str) -> list[bytes]:
    return texts(
        "OUTP1 OFF",
        "TRIG1:SOUR BUS",
        "OUTP1:LOAD 2000",
        "SOUR1:FUNC PULS",
        "OUTP1:POL NORM",
        "SOUR1:VOLT 0.1",
        "SOUR1:VOLT:OFFS 0.05",
        f"SOUR1:VOLT:HIGH {level}",
        "SOUR1:VOLT:LOW 0",
        f"SOUR1:FUNC:PULS:TRAN {edge}",
        f"SOUR1:FUNC:PULS:WIDT {shortest}",
        f"SOUR1:FUNC:PULS:WIDT {width}",
        "SOUR1:BURS:MODE TRIG",
        f"SOUR1:BURS:NCYC {count}",
        "SOUR1:BURS:STAT ON",
        "SYST:ERR?",
        "OUTP1 ON",
        "SYST:ERR?",
    )


def _arbitrary(pick: Random, rate: str, level: str, count: str) -> list[bytes]:
    return [
        *texts("OUTP1 OFF", "TRIG1:SOUR BUS", "SOUR1:BURS:STAT ON", "SOUR1:DATA:VOL:CLE", "FORM:BORD NORM"),
        *(_block(pick) for _ in range(3)),
        *texts(
            "SYST:ERR?",
            "SYST:ERR?",
            "SYST:ERR?",
            "OUTP1:LOAD 2000",
            f'SOUR1:FUNC:ARB "{pick.choice("ABS")}"',
            "SOUR1:FUNC ARB",
            "SOUR1:FUNC:ARB:ADV SRAT",
            f"SOUR1:FUNC:ARB:SRAT {rate}",
            "SOUR1:VOLT 0.1",
            "SOUR1:VOLT:OFFS 0",
            f"SOUR1:VOLT:HIGH {level}",
            f"SOUR1:VOLT:LOW -{level}",
            "SOUR1:BURS:MODE TRIG",
            f"SOUR1:BURS:NCYC {count}",
            f"SOUR1:BURS:STAT {pick.choice(ON_OFF)}",
            "SYST:ERR?",
            "OUTP1 ON",
            "SYST:ERR?",
        ),
    ]


def _vocabulary(ready: Callable[[Random], list[bytes]]) -> Vocabulary:
    return Vocabulary(
        command=from_table({**_table("SOUR1", "TRIG1", "OUTP1"), **_table("", "TRIG", "OUTP"), "OUTP2": ON_OFF}),
        ready=ready,
        block=_block,
        foreign=(b":SOUR1:FUNC:PULS:WIDT 5e-4", b":SOUR1:VOLT 5", b":SOUR1:BURS:NCYC 9999"),
        error_query=b"SYST:ERR?\n",
    )


KEYSIGHT_33500B = _vocabulary(_ready("8.4e-9", "2e-8", ("1e6", "1e7", "2.5e8")))
KEYSIGHT_33600A = _vocabulary(_ready("3e-9", "5e-9", ("1e6", "1e7", "6.6e8")))
