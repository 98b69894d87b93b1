"""Programs for the 577: bursts from two outputs, one of them through an inverter."""

from random import Random

from guard_programs.vocabulary import COUNTS, LAWFUL_COUNTS, ON_OFF, WIDTHS, Table, Vocabulary, from_table, texts

_END = b"\r\n"
_VOLTS = ("2", "2.01", "2.3", "2.5", "2.5625", "2.57", "4", "20", "1", "0", "-2.1", "MAX", "2300MV", "2_2", "NAN")
_MODES = ("NORM", "SING", "BURS", "DCYC", "BURSt")
_LAWFUL_VOLTS = ("2.01", "2.3", "2.5", "2.5625")


def _of_output(output: str) -> Table:
    return {
        f"{output}:STATE": ON_OFF,
        f"{output}:WIDT": WIDTHS,
        f"{output}:WIDTh": WIDTHS,
        f"{output}:OUTP:AMPL": _VOLTS,
        f"{output}:OUTPut:AMPLitude": _VOLTS,
        f"{output}:OUTP:MODE": ("TTL", "ADJ"),
        f"{output}:POL": ("NORM", "COMP", "INV"),
        f"{output}:CMOD": _MODES,
        f"{output}:BCO": COUNTS,
        f"{output}:WCO": ("0", "1", "100"),
        f"{output}:DEL": ("0", "1e-6", "-1e-6"),
        f"{output}:CGAT": ("DIS", "LOW"),
        f"{output}:SYNC": ("T0", "CHA"),
        f"{output}:MUX": ("0", "255"),
    }


_OF_SYSTEM = {
    ":PULSE0:STATE": ON_OFF,
    ":INST:STATE": ON_OFF,
    ":PULSE0:MODE": _MODES,
    ":PULSe0:MODe": _MODES,
    ":PULSE0:BCO": COUNTS,
    ":PULSE0:PCO": COUNTS,
    ":PULSE0:PER": ("1e-4", "1e-7", "5000", "MAX"),
    ":PULSE0:TRIG:MODE": ("DIS", "TRIG", "DUAL"),
    ":PULSE:TRIG:MODE": ("DIS", "TRIG"),
    ":PULSE0:TRIG:LEV": ("2.5",),
    "*RCL": ("0", "1"),
    "*SAV": ("1",),
}


def _ready(pick: Random) -> list[bytes]:
    chosen = pick.choice((1, 2))
    outputs = (chosen, 3 - chosen) if pick.random() < 0.3 else (chosen,)
    return [
        *texts(
            ":PULSE0:STATE OFF",
            ":PULSE0:TRIG:MODE TRIG",
            ":PULSE0:MODE BURS",
            f":PULSE0:BCO {pick.choice(LAWFUL_COUNTS)}",
            ":PULSE0:PER 1e-4",
            *(f":PULSE{output}:STATE OFF" for output in (1, 2) if output not in outputs),
            end=_END,
        ),
        *(message for output in outputs for message in _shape(pick, f":PULSE{output}")),
        *texts(":PULSE0:STATE ON", end=_END),
    ]


def _shape(pick: Random, output: str) -> list[bytes]:
    return texts(
        f"{output}:SYNC T0",
        f"{output}:POL NORM",
        f"{output}:CMOD NORM",
        f"{output}:DEL 0",
        f"{output}:WIDT {pick.choice(('1e-8', '1e-7', '1e-6', '2e-6'))}",
        f"{output}:OUTP:MODE ADJ",
        f"{output}:OUTP:AMPL {pick.choice(_LAWFUL_VOLTS)}",
        f"{output}:STATE ON",
        end=_END,
    )


VOCABULARY = Vocabulary(
    command=from_table({**_OF_SYSTEM, **_of_output(":PULSE1"), **_of_output(":PULSE2"), **_of_output(":PULSE")}),
    ready=_ready,
    foreign=(
        b":PULSE0:BCO 9999",
        b":PULSE0:PER 1",
        *(
            message
            for output in (b":PULSE1", b":PULSE2")
            for message in (
                output + b":STATE ON",
                output + b":WIDT 1e-3",
                output + b":OUTP:MODE ADJ",
                output + b":OUTP:AMPL 20",
                output + b":POL INV",
            )
        ),
    ),
    error_query=b":PULSE0:STATE?\r\n",
    end=_END,
)
