"""Programs for the source-measure units that speak SCPI."""

from random import Random

from guard_programs.vocabulary import CURRENTS, ON_OFF, SMALL, VOLTS, Table, Vocabulary, from_table, texts

_FUNCTIONS = ("VOLT", "CURR")


def _table(channel: str) -> Table:
    n = channel
    return {
        f":SOUR{n}:VOLT": SMALL,
        f":SOURce{n}:VOLT:LEV:IMM:AMPL": SMALL,
        f":SOUR{n}:CURR": CURRENTS,
        f":OUTP{n}": ON_OFF,
        f":SOUR{n}:LIST:VOLT": SMALL,
        f":SOUR{n}:VOLT:MODE": ("FIX", "LIST"),
        f":SOUR{n}:VOLT:RANG": ("0.2", "20"),
        f":SENS{n}:CURR:RANG": ("1e-3", "1"),
        f":SENS{n}:CURR:NPLC": ("1",),
    }


def _b2900(channel: str) -> Table:
    n = channel
    return {
        **_table(n),
        f":SOUR{n}:FUNC:MODE": _FUNCTIONS,
        f":SENS{n}:CURR:PROT": CURRENTS,
        f":SENS{n}:VOLT:PROT": SMALL,
        f":SOUR{n}:VOLT:TRIG": SMALL,
        f":SOUR{n}:VOLT:STAR": SMALL,
        f":SOUR{n}:VOLT:STOP": SMALL,
        f":OUTP{n}:ON:AUTO": ON_OFF,
        ":INIT": (f"(@{n})", "(@1,2)"),
        ":INIT:ACQ": (f"(@{n})",),
        ":MEAS?": ("(@1)", "(@2)"),
    }


def _ready_b2900(pick: Random) -> list[bytes]:
    c = pick.choice("12")
    return texts(
        f":SOUR{c}:FUNC:MODE VOLT", f":SENS{c}:CURR:PROT 1e-3", f":SOUR{c}:VOLT 0.1", "SYST:ERR?", f":OUTP{c} ON"
    )


def _ready_2450(_: Random) -> list[bytes]:
    return texts(":SOUR:FUNC VOLT", ":SOUR:VOLT:ILIM 1e-3", ":SOUR:VOLT 0.1", "SYST:ERR?", ":OUTP ON", "SYST:ERR?")


def _ready_2400(_: Random) -> list[bytes]:
    return texts(":SOUR:FUNC VOLT", ":SENS:CURR:PROT 1e-3", ":SOUR:VOLT 0.1", "SYST:ERR?", ":OUTP ON", "SYST:ERR?")


KEITHLEY_2450 = Vocabulary(
    command=from_table(
        {
            **_table(""),
            ":SOUR:FUNC": _FUNCTIONS,
            ":SOUR:VOLT:ILIM": CURRENTS,
            ":SOUR:CURR:VLIM": SMALL,
            ":SOUR:SWE:VOLT:LIN": ("0,0.1,5", "0,5,5"),
            ":SOUR:CONF:LIST:REC": ('"x"',),
        }
    ),
    ready=_ready_2450,
    foreign=(b":SOUR:VOLT:ILIM 1",),
    error_query=b"SYST:ERR?\n",
)
KEITHLEY_2400 = Vocabulary(
    command=from_table(
        {
            **_table(""),
            ":SOUR:FUNC": _FUNCTIONS,
            ":SENS:CURR:PROT": CURRENTS,
            ":CURR:PROT": CURRENTS,
            ":SENS:VOLT:PROT": SMALL,
            ":SOUR:CLE:AUTO": ON_OFF,
            ":CONF:CURR": ("",),
            ":MEAS:VOLT?": ("",),
            ":SOUR:VOLT:STAR": SMALL,
            ":SOUR:VOLT:STOP": SMALL,
        }
    ),
    ready=_ready_2400,
    foreign=(b":SENS:CURR:PROT 1",),
    error_query=b"SYST:ERR?\n",
)
KEYSIGHT_B2902A = Vocabulary(
    command=from_table({**_b2900("1"), **_b2900("2"), ":VOLT": SMALL, ":VOLT:OFFS": VOLTS}),
    ready=_ready_b2900,
    foreign=(b":SENS1:CURR:PROT 1", b":SENS2:VOLT:PROT 20"),
    error_query=b"SYST:ERR?\n",
)
