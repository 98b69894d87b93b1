"""Row 34 of the fault list: whatever is written, no instrument is seen beyond the limits of the bench file.

Random programs of messages go through the guard to the simulated instruments: settings inside and outside the limits,
long and short forms, compound messages with path memory, lists, blocks, words for numbers, broken text, triggers, and
settings that somebody else left before. The judge is the simulator: its ledger and its twins' own answers, asked past
the guard. It knows the limits and nothing of the guard.
"""

import math
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import pyvisa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sim_instruments
from drivers.config import load_bench
from drivers.errors import LimitError
from drivers.guard.library import GuardVisaLibrary

PROGRAMS = 400
HUNT = 25_000

AMPLITUDE_V = (0.1, 2.5)
WIDTH_S = (5e-9, 2e-6)
ENERGY_J = 2e-8
VOLTAGE_V = (-0.2, 0.2)
COMPLIANCE_A = (1e-9, 1e-3)
WRITE_OHM = 2000.0
SLACK = 1 + 1e-3
MESSAGE_AVAILABLE = 16

ADDRESSES = {
    "keysight-81160a": "TCPIP0::pulser.bench::inst0::INSTR",
    "keysight-33600a": "TCPIP0::arb.bench::inst0::INSTR",
    "keithley-2450": "TCPIP0::smu.bench::inst0::INSTR",
    "keithley-2400": "GPIB0::24::INSTR",
    "keysight-b2902a": "TCPIP0::b2902.bench::inst0::INSTR",
    "keithley-2602b": "GPIB0::26::INSTR",
    "dwa-1": "TCPIP0::array.bench::inst0::INSTR",
}
GENERATORS = ("keysight-81160a", "keysight-33600a")


def limits_of(model: str) -> str:
    if model in (*GENERATORS, "dwa-1"):
        load = f"load_ohm = {WRITE_OHM}\n" if model in GENERATORS else f"write_resistance_ohm = {WRITE_OHM}\n"
        return (
            f"{load}limits.amplitude_v = {list(AMPLITUDE_V)}\nlimits.width_s = {list(WIDTH_S)}\n"
            f"limits.burst_energy_j = {ENERGY_J}\n"
        )
    low = 1e-8 if model == "keithley-2602b" else COMPLIANCE_A[0]
    return f"limits.voltage_v = {list(VOLTAGE_V)}\nlimits.compliance_a = [{low}, {COMPLIANCE_A[1]}]\n"


@dataclass
class Rig:
    """A guarded instrument, the twin behind it, and what has been seen."""

    model: str
    folder: Path
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        default = (Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text("utf-8")
        before, _, after = default.replace("devices = 11_534_336", "devices = 64").partition("[[instrument]]")
        wiring = after[after.index("[wiring]") : after.index("\ndevices = [")] + "\ndevices = [5, 6]\n"
        address = ADDRESSES[self.model]
        (self.folder / "sim.toml").write_text(
            f'{before}[[instrument]]\nmodel = "{self.model}"\naddress = "{address}"\nserial = "1"\n\n{wiring}', "utf-8"
        )
        (self.folder / "bench.toml").write_text(
            f'[bench]\nname = "judged"\nlibrary = "sim.toml@domainwall"\n\n[[instrument]]\nname = "it"\n'
            f'model = "{self.model}"\naddress = "{address}"\n{limits_of(self.model)}',
            "utf-8",
        )
        self.config = load_bench(self.folder / "bench.toml")
        # Holds the library, which PyVISA keeps by its name: so the guards of all programs lead to one bench.
        self._manager = pyvisa.ResourceManager(self.config.library)
        self.bench = self._manager.visalib.bench  # type: ignore[attr-defined]
        self.twin = self.bench.instruments[address]
        self.bench.wiring.close([(1, 1, 1)])

    def ask(self, message: bytes) -> list[str]:
        """Ask the twin past the guard."""
        self.twin.receive(message + b"\n", has_end=True)
        replies = []
        while (chunk := self.twin.send(1 << 20, has_end=False)) is not None:
            replies.append(chunk.data.decode("latin-1").strip())
        return replies

    def run(self, program: list[bytes]) -> None:
        self.ask(b"*RST")
        # Somebody else's settings, which the guard has not seen.
        for message in FOREIGN[self.model]:
            self.ask(message)
        self.ask(b"*CLS")
        library = GuardVisaLibrary.around(self.config)
        manager = pyvisa.ResourceManager(library)
        try:
            session, _ = library.open(manager.session, ADDRESSES[self.model])
            for message in program:
                self.say(library, session, message)
        finally:
            manager.close()

    def say(self, library: GuardVisaLibrary, session: int, message: bytes) -> None:
        ledger = self.bench.sample.ledger
        if self.model == "dwa-1" and b"@" in message:
            # Tags only ever rise, from program to program.
            message = message.replace(b"@", b"%d" % (int(self.ask(b"PATT:TAG?")[0]) + 1))
        entries, energy_j = len(ledger.entries), ledger.energy_j
        try:
            if message == b"GET":
                library.assert_trigger(session, pyvisa.constants.TriggerProtocol.default)
            else:
                library.write(session, message)
        except LimitError:
            self.seen["refused"] += 1
            assert len(ledger.entries) == entries
            return
        except pyvisa.VisaIOError:
            pass
        self.seen["sent"] += 1
        self.judge_pulses(message, entries, ledger.energy_j - energy_j)
        # Asked for without need, a reply would itself be an error of the instrument.
        while library.read_stb(session)[0] & MESSAGE_AVAILABLE:
            library.read(session, 1 << 20)
        if self.model not in (*GENERATORS, "dwa-1"):
            self.judge_source(message)

    def judge_pulses(self, message: bytes, entries_before: int, energy_j: float) -> None:
        ledger = self.bench.sample.ledger
        fresh = [ledger.entries[index] for index in range(entries_before, len(ledger.entries))]
        if not fresh:
            return
        self.seen["fired"] += 1
        for entry in fresh:
            for pulses, amplitude_v, width_s in (
                (entry.push_pulses, entry.push_amplitude_v, entry.push_width_s),
                (entry.pull_pulses, entry.pull_amplitude_v, entry.pull_width_s),
            ):
                if pulses:
                    assert AMPLITUDE_V[0] / SLACK <= abs(amplitude_v) <= AMPLITUDE_V[1] * SLACK, message
                    assert WIDTH_S[0] / SLACK <= width_s <= WIDTH_S[1] * SLACK, message
        if self.model == "dwa-1":
            for entry in fresh:
                largest = np.asarray(entry.push, float) * entry.push_amplitude_v**2 * entry.push_width_s
                largest = largest + np.asarray(entry.pull, float) * entry.pull_amplitude_v**2 * entry.pull_width_s
                assert largest.max() / WRITE_OHM <= ENERGY_J * SLACK, message
        else:
            # One trigger a message here, and one device on the row.
            assert energy_j <= ENERGY_J * SLACK, message

    def judge_source(self, message: bytes) -> None:
        """See that an output that is on shows no more than it may."""
        for output, function, levels in self.outputs():
            if not output:
                continue
            self.seen["on"] += 1
            voltage_v, compliance_a, current_a, compliance_v = levels
            if function == "VOLT":
                assert VOLTAGE_V[0] * SLACK <= voltage_v <= VOLTAGE_V[1] * SLACK, message
                assert compliance_a <= COMPLIANCE_A[1] * SLACK, message
            else:
                assert abs(current_a) <= COMPLIANCE_A[1] * SLACK, message
                assert abs(compliance_v) <= VOLTAGE_V[1] * SLACK, message

    def outputs(self) -> list[tuple[bool, str, list[float]]]:
        match self.model:
            case "keithley-2602b":
                found = []
                for smu in ("smua", "smub"):
                    names = ("output", "func", "levelv", "limiti", "leveli", "limitv")
                    values = [float(self.ask(f"print({smu}.source.{name})".encode())[0]) for name in names]
                    found.append((values[0] == 1, "VOLT" if values[1] else "CURR", values[2:]))
                return found
            case "keysight-b2902a":
                return [self.scpi_output(BY_CHANNEL.replace("#", str(channel))) for channel in (1, 2)]
            case _:
                return [self.scpi_output(QUESTIONS[self.model])]

    def scpi_output(self, question: str) -> tuple[bool, str, list[float]]:
        output, function, *levels = ";".join(self.ask(question.encode())).split(";")
        return output == "1", function, [float(level) for level in levels]


QUESTIONS = {
    "keithley-2450": ":OUTP?;:SOUR:FUNC?;:SOUR:VOLT?;:SOUR:VOLT:ILIM?;:SOUR:CURR?;:SOUR:CURR:VLIM?",
    "keithley-2400": ":OUTP?;:SOUR:FUNC?;:SOUR:VOLT?;:SENS:CURR:PROT?;:SOUR:CURR?;:SENS:VOLT:PROT?",
}
BY_CHANNEL = ":OUTP#?;:SOUR#:FUNC:MODE?;:SOUR#:VOLT?;:SENS#:CURR:PROT?;:SOUR#:CURR?;:SENS#:VOLT:PROT?"

FOREIGN = {
    "keysight-81160a": (
        b":PULS:PER1 1e-3",
        b":PULS:WIDT1 1e-4",
        b":TRIG1:COUN 100000",
        b":VOLT1 5",
        b":BURS1:NCYC 9999",
    ),
    "keysight-33600a": (b":SOUR1:FUNC:PULS:WIDT 5e-4", b":SOUR1:VOLT 5", b":SOUR1:BURS:NCYC 9999"),
    "keithley-2450": (b":SOUR:VOLT:ILIM 1",),
    "keithley-2400": (b":SENS:CURR:PROT 1",),
    "keysight-b2902a": (b":SENS1:CURR:PROT 1",),
    "keithley-2602b": (b"smua.source.limiti = 3",),
    "dwa-1": (b"PULS:PUSH:AMPL 5", b"PULS:PULL:WIDT 1e-5", b"OUTP ON"),
}

# --- programs ---------------------------------------------------------------------------------------------------

volts = st.sampled_from(
    [
        "0",
        "0.05",
        "0.1",
        "0.4",
        "1.5",
        "2.4",
        "2.5",
        "2.50001",
        "2.6",
        "5",
        "-0.5",
        "-1.5",
        "-2.5",
        "-2.6",
        "9",
        "1500MV",
        "2_0",
        "MAX",
        "MIN",
        "+.1E1",
        "1e999",
        "NAN",
    ]
)
widths = st.sampled_from(["5e-9", "1e-7", "1E-6", "2e-6", "2.1e-6", "1e-3", "4e-9", "100NS", "3US", "MAX", "1.5e-9"])
counts = st.sampled_from(["1", "2", "3", "10", "50", "1000", "100000000", "INF", "MAX", "0", "-1", "1.5"])
small = st.sampled_from(["0", "0.1", "-0.2", "0.2", "0.21", "5", "-5", "100MV", "MAX", "DEF", "0.1,0.2", "0.1,5"])
currents = st.sampled_from(["1e-6", "1e-3", "1.1e-3", "1", "1MA", "2MA", "-1e-4", "MAX", "1e-9", "0"])
onoff = st.sampled_from(["ON", "OFF", "1", "0"])


def commands(table: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
    return st.one_of(*(values.map(f"{header} {{}}".format) for header, values in table.items()))


def numbered(channel: str) -> dict[str, st.SearchStrategy[str]]:
    c = channel
    return {
        f":VOLT{c}": volts,
        f":VOLT{c}:OFFS": volts,
        f":VOLTage{c}:HIGH": volts,
        f":SOUR:VOLT{c}:LOW": volts,
        f":VOLT{c}:LEV:IMM:HIGH": volts,
        f":PULS:WIDT{c}": widths,
        f":PULS:PER{c}": st.sampled_from(["1e-5", "3e-9", "1e-7", "1"]),
        f":FUNC{c}:PULS:WIDT": widths,
        f":FUNC{c}": st.sampled_from(["PULS", "SIN", "DC", "USER", "PULSe"]),
        f":FREQ{c}": st.sampled_from(["1e5", "1e7", "1KHZ"]),
        f":PULS:DCYC{c}": st.just("50"),
        f":PULS:HOLD{c}": st.sampled_from(["DCYC", "WIDT"]),
        f":OUTP{c}": onoff,
        f":OUTP{c}:LOAD": st.sampled_from(["50", "2000", "INF", "1", "1e6"]),
        f":OUTP{c}:POL": st.sampled_from(["NORM", "INV"]),
        f":BURS{c}:STAT": onoff,
        f":BURS{c}:NCYC": counts,
        f":BURS{c}:MODE": st.sampled_from(["TRIG", "GAT"]),
        f":TRIG{c}:COUN": counts,
        f":ARM:SOUR{c}": st.sampled_from(["MAN", "IMM", "EXT", "INT2", "MANual"]),
        f":DIG{c}:PATT:STAT": onoff,
        f":DIG{c}:PATT:FORM": st.sampled_from(["PACK,8", "PACK,1"]),
        f":DIG{c}:PATT:NLEV": st.sampled_from(["2", "3", "4"]),
        f":VOLT{c}:LIM:STAT": onoff,
        f":APPL{c}:PULS": st.just("1e5,5,0"),
        f":TRAC:CHAN{c}": onoff,
    }


def sourced(s: str, t: str, o: str) -> dict[str, st.SearchStrategy[str]]:
    return {
        f"{s}:VOLT": volts,
        f"{s}:VOLT:OFFS": volts,
        f"{s}:VOLTage:HIGH": volts,
        f"{s}:VOLT:LOW": volts,
        f"{s}:FUNC": st.sampled_from(["PULS", "SIN", "DC", "ARB", "ARBitrary"]),
        f"{s}:FUNC:PULS:WIDT": widths,
        f"{s}:FUNC:PULS:PER": st.sampled_from(["1e-5", "1e-3"]),
        f"{s}:FUNC:PULS:HOLD": st.sampled_from(["DCYC", "WIDT"]),
        f"{s}:FUNC:PULS:DCYC": st.just("50"),
        f"{s}:FUNC:ARB": st.sampled_from(['"A"', '"B"', "S", '"INT:\\BUILTIN\\EXP_RISE.ARB"']),
        f"{s}:FUNC:ARB:SRAT": st.sampled_from(["1e6", "1e7", "2e5", "6.6e8", "100"]),
        f"{s}:FUNC:ARB:ADV": st.sampled_from(["SRAT", "TRIG"]),
        f"{s}:DATA:VOL:CLE": st.just(""),
        "FORM:BORD": st.sampled_from(["NORM", "SWAP"]),
        f"{s}:BURS:STAT": onoff,
        f"{s}:BURS:NCYC": counts,
        f"{s}:BURS:MODE": st.sampled_from(["TRIG", "GAT"]),
        f"{t}:SOUR": st.sampled_from(["BUS", "IMM", "EXT", "TIM"]),
        f"{t}:COUN": counts,
        o: onoff,
        f"{o}:LOAD": st.sampled_from(["50", "2000", "INF", "1", "1e4"]),
        f"{o}:POL": st.sampled_from(["NORM", "INV"]),
        f"{s}:APPL:PULS": st.just("1e5,5,0"),
        f"{s}:FREQ": st.just("1e5"),
    }


def metered(n: str, extra: dict[str, st.SearchStrategy[str]]) -> dict[str, st.SearchStrategy[str]]:
    return {
        f":SOUR{n}:VOLT": small,
        f":SOURce{n}:VOLT:LEV:IMM:AMPL": small,
        f":SOUR{n}:CURR": currents,
        f":OUTP{n}": onoff,
        f":SOUR{n}:LIST:VOLT": small,
        f":SOUR{n}:VOLT:MODE": st.sampled_from(["FIX", "LIST"]),
        f":SOUR{n}:VOLT:RANG": st.sampled_from(["0.2", "20"]),
        f":SENS{n}:CURR:RANG": st.sampled_from(["1e-3", "1"]),
        f":SENS{n}:CURR:NPLC": st.just("1"),
        **extra,
    }


TABLES = {
    "keysight-81160a": commands(numbered("1") | numbered("") | {":OUTP2": onoff, ":VOLT2": volts}),
    "keysight-33600a": commands(sourced("SOUR1", "TRIG1", "OUTP1") | sourced("", "TRIG", "OUTP") | {"OUTP2": onoff}),
    "keithley-2450": commands(
        metered(
            "",
            {
                ":SOUR:FUNC": st.sampled_from(["VOLT", "CURR"]),
                ":SOUR:VOLT:ILIM": currents,
                ":SOUR:CURR:VLIM": small,
                ":SOUR:SWE:VOLT:LIN": st.sampled_from(["0,0.1,5", "0,5,5"]),
                ":SOUR:CONF:LIST:REC": st.just('"x"'),
            },
        )
    ),
    "keithley-2400": commands(
        metered(
            "",
            {
                ":SOUR:FUNC": st.sampled_from(["VOLT", "CURR"]),
                ":SENS:CURR:PROT": currents,
                ":CURR:PROT": currents,
                ":SENS:VOLT:PROT": small,
                ":SOUR:VOLT:STAR": small,
                ":SOUR:VOLT:STOP": small,
            },
        )
    ),
    "keysight-b2902a": commands(
        metered(
            "1",
            {
                ":SOUR1:FUNC:MODE": st.sampled_from(["VOLT", "CURR"]),
                ":SENS1:CURR:PROT": currents,
                ":SENS1:VOLT:PROT": small,
                ":OUTP1:ON:AUTO": onoff,
                ":INIT": st.sampled_from(["(@1)", "(@1,2)"]),
                ":MEAS?": st.sampled_from(["(@1)", "(@2)"]),
            },
        )
        | metered(
            "2",
            {
                ":SOUR2:FUNC:MODE": st.sampled_from(["VOLT", "CURR"]),
                ":SENS2:CURR:PROT": currents,
                ":SENS2:VOLT:PROT": small,
            },
        )
        | {":VOLT": small}
    ),
    "dwa-1": commands(
        {
            "PULS:PUSH:AMPL": volts,
            "PULS:PUSH:WIDT": widths,
            "PULSE:PULL:AMPLITUDE": volts,
            "PULS:PULL:WIDT": widths,
            "OUTP": onoff,
            "PATT:CLE": st.just(""),
            "INIT": st.just(""),
            "PATT:TAG": st.sampled_from(["1", "2", "3", "@"]),
        }
    ),
}


def block(header: str, data: bytes) -> bytes:
    length = b"%d" % len(data)
    return header.encode() + b" #%d" % len(length) + length + data + b"\n"


@st.composite
def blocks(draw: st.DrawFn, model: str) -> bytes:
    match model:
        case "keysight-81160a":
            symbols = draw(st.lists(st.sampled_from([2, 2, 2, 2, 1, 0]), min_size=4, max_size=64))
            symbols += [2] * (-len(symbols) % 4)
            packed = bytes(
                sum(value << shift for value, shift in zip(symbols[i : i + 4], (6, 4, 2, 0), strict=True))
                for i in range(0, len(symbols), 4)
            )
            return block(":DIG1:PATT:DATA", packed)
        case "keysight-33600a":
            name = draw(st.sampled_from("AB"))
            if draw(st.integers(0, 3)) == 0:
                control = draw(st.sampled_from(["repeatTilTrig", "once", "onceWaitTrig", "repeatInf"]))
                repeats = draw(st.sampled_from([1, 3, 100000]))
                steps = f'"S","B",0,{control},maintain,4,"{name}",{repeats},repeat,maintain,4'
                return block(draw(st.sampled_from(["SOUR1:DATA:SEQ", "DATA:SEQ"])), steps.encode())
            codes = draw(
                st.lists(st.sampled_from([0, 0, 0, 32767, -32767, 20000, 1000, -32768]), min_size=32, max_size=48)
            )
            if draw(st.booleans()):
                codes = [0, *codes, 0]
            return block(f"SOUR1:DATA:ARB:DAC {name},", np.array(codes, ">i2").tobytes()).replace(b", #", b",#")
        case _:
            side = draw(st.sampled_from(["PATT:PUSH 0,", "PATT:PULL 0,", "PATT:PUSH 3,"]))
            size = draw(st.sampled_from([4, 64, 61]))
            return _counted(side, draw(st.binary(min_size=size, max_size=size)), draw(st.sampled_from([1, 5, 20, 255])))


def _counted(side: str, data: bytes, most: int) -> bytes:
    return block(side, bytes(min(byte, most) for byte in data)).replace(b", #", b",#")


def joined(model: str) -> st.SearchStrategy[bytes]:
    """Compound messages, with relative headers, as some programs write them."""
    tails = st.sampled_from(
        [
            "HIGH 5",
            "LOW -2.6",
            "OFFS 2",
            "WIDT1 1",
            "LEV 5",
            "VOLT 5",
            "NCYC INF",
            "STAT ON",
            "AMPL 5",
            "ILIM 1",
            "PROT 1",
            "*TRG",
            ":OUTP ON",
        ]
    )
    parts = st.lists(st.one_of(TABLES[model], TABLES[model], tails), min_size=2, max_size=4)
    return st.tuples(parts, st.sampled_from([";", ";:", " ; ", "\n"])).map(
        lambda pair: (pair[1].join(pair[0]) + "\n").encode()
    )


def broken(model: str) -> st.SearchStrategy[bytes]:
    """Messages with a byte lost, doubled or changed."""

    def break_it(case: tuple[str, int, int]) -> bytes:
        text, place, how = case
        data, place = bytearray(text.encode()), place % max(1, len(text))
        match how:
            case 0:
                del data[place]
            case 1:
                data.insert(place, data[place])
            case _:
                data[place] = how
        return bytes(data) + b"\n"

    return st.tuples(
        TABLES[model], st.integers(0, 60), st.sampled_from([0, 1, *b" :;,#\"'(?*\n0159AZe-.\x00\xff"])
    ).map(break_it)


def ready(model: str) -> st.SearchStrategy[list[bytes]]:
    """Settings that are mostly fine, in an order that works, so that programs come as far as firing."""
    level = st.sampled_from(["0.1", "0.5", "1.5", "2.5"])
    width = st.sampled_from(["5e-9", "1e-7", "1e-6", "2e-6"])
    count = st.sampled_from(["1", "2", "10", "20", "100"])
    match model:
        case "keysight-81160a":
            shape = st.tuples(level, width, count).map(
                lambda v: [
                    ":OUTP1 OFF",
                    ":ARM:SOUR1 MAN",
                    ":DIG1:PATT:STAT OFF",
                    ":OUTP1:LOAD 2000",
                    ":FUNC1 PULS",
                    ":OUTP1:POL NORM",
                    ":VOLT1 0.1",
                    ":VOLT1:OFFS 0.05",
                    f":VOLT1:HIGH {v[0]}",
                    ":VOLT1:LOW 0",
                    ":FUNC1:PULS:TRAN 1e-9",
                    ":PULS:WIDT1 1.5e-9",
                    ":PULS:PER1 1e-4",
                    f":PULS:WIDT1 {v[1]}",
                    ":BURS1:MODE TRIG",
                    f":BURS1:NCYC {v[2]}",
                    ":BURS1:STAT ON",
                    ":TRIG1:COUN 1",
                    "SYST:ERR?",
                    ":OUTP1 ON",
                    "SYST:ERR?",
                ]
            )
            pattern = st.tuples(level, st.sampled_from(["4e-9", "1e-7", "1e-6"]), count).map(
                lambda v: [
                    ":OUTP1 OFF",
                    ":ARM:SOUR1 MAN",
                    ":OUTP1:LOAD 2000",
                    ":FUNC1 PULS",
                    f":VOLT1:HIGH {v[0]}",
                    f":VOLT1:LOW -{v[0]}",
                    ":PULS:WIDT1 1.5e-9",
                    ":FUNC1:PULS:TRAN 1e-9",
                    f":PULS:PER1 {v[1]}",
                    ":BURS1:MODE TRIG",
                    f":BURS1:NCYC {v[2]}",
                    ":BURS1:STAT ON",
                    ":DIG1:PATT:FORM PACK,8",
                    ":DIG1:PATT:NLEV 3",
                    "BLOCK",
                    ":DIG1:PATT:STAT ON",
                    "SYST:ERR?",
                    ":OUTP1 ON",
                    "SYST:ERR?",
                ]
            )
            texts = st.one_of(shape, pattern)
        case "keysight-33600a":
            shape = st.tuples(level, width, count).map(
                lambda v: [
                    "OUTP1 OFF",
                    "TRIG1:SOUR BUS",
                    "OUTP1:LOAD 2000",
                    "SOUR1:FUNC PULS",
                    "OUTP1:POL NORM",
                    "SOUR1:VOLT 0.1",
                    "SOUR1:VOLT:OFFS 0.05",
                    f"SOUR1:VOLT:HIGH {v[0]}",
                    "SOUR1:VOLT:LOW 0",
                    "SOUR1:FUNC:PULS:TRAN 3e-9",
                    "SOUR1:FUNC:PULS:WIDT 5e-9",
                    f"SOUR1:FUNC:PULS:WIDT {v[1]}",
                    "SOUR1:BURS:MODE TRIG",
                    f"SOUR1:BURS:NCYC {v[2]}",
                    "SOUR1:BURS:STAT ON",
                    "SYST:ERR?",
                    "OUTP1 ON",
                    "SYST:ERR?",
                ]
            )
            arb = st.tuples(level, st.sampled_from(["1e6", "1e7", "6.6e8"]), count, st.sampled_from("ABS"), onoff).map(
                lambda v: [
                    "OUTP1 OFF",
                    "TRIG1:SOUR BUS",
                    "SOUR1:BURS:STAT ON",
                    "SOUR1:DATA:VOL:CLE",
                    "FORM:BORD NORM",
                    "BLOCK",
                    "BLOCK",
                    "BLOCK",
                    "SYST:ERR?",
                    "SYST:ERR?",
                    "SYST:ERR?",
                    "OUTP1:LOAD 2000",
                    f'SOUR1:FUNC:ARB "{v[3]}"',
                    "SOUR1:FUNC ARB",
                    "SOUR1:FUNC:ARB:ADV SRAT",
                    f"SOUR1:FUNC:ARB:SRAT {v[1]}",
                    "SOUR1:VOLT 0.1",
                    "SOUR1:VOLT:OFFS 0",
                    f"SOUR1:VOLT:HIGH {v[0]}",
                    f"SOUR1:VOLT:LOW -{v[0]}",
                    "SOUR1:BURS:MODE TRIG",
                    f"SOUR1:BURS:NCYC {v[2]}",
                    f"SOUR1:BURS:STAT {v[4]}",
                    "SYST:ERR?",
                    "OUTP1 ON",
                    "SYST:ERR?",
                ]
            )
            texts = st.one_of(shape, arb)
        case "dwa-1":
            texts = st.tuples(level, width, level, width, st.integers(1, 10**6)).map(
                lambda v: [
                    f"PULS:PUSH:AMPL {v[0]}",
                    f"PULS:PUSH:WIDT {v[1]}",
                    f"PULS:PULL:AMPL {v[2]}",
                    f"PULS:PULL:WIDT {v[3]}",
                    "SYST:ERR?",
                    "PATT:CLE",
                    "BLOCK",
                    "BLOCK",
                    "PATT:TAG @",
                    "OUTP ON",
                    "INIT",
                    "SYST:ERR?",
                ]
            )
        case "keysight-b2902a":
            texts = st.sampled_from("12").map(
                lambda c: [
                    f":SOUR{c}:FUNC:MODE VOLT",
                    f":SENS{c}:CURR:PROT 1e-3",
                    f":SOUR{c}:VOLT 0.1",
                    "SYST:ERR?",
                    f":OUTP{c} ON",
                ]
            )
        case "keithley-2450":
            texts = st.just(
                [":SOUR:FUNC VOLT", ":SOUR:VOLT:ILIM 1e-3", ":SOUR:VOLT 0.1", "SYST:ERR?", ":OUTP ON", "SYST:ERR?"]
            )
        case _:
            texts = st.just(
                [":SOUR:FUNC VOLT", ":SENS:CURR:PROT 1e-3", ":SOUR:VOLT 0.1", "SYST:ERR?", ":OUTP ON", "SYST:ERR?"]
            )
    if model == "dwa-1":
        # Both blocks of one length, or the controller refuses the pattern.
        counts = st.tuples(st.binary(min_size=64, max_size=64), st.sampled_from([1, 5, 20, 255]))
        sides = [counts.map(lambda c, side=side: _counted(side, *c)) for side in ("PATT:PUSH 0,", "PATT:PULL 0,")]
        data = st.tuples(*sides).map(list)
    else:
        data = st.lists(blocks(model), min_size=3, max_size=3) if model in GENERATORS else st.just([])

    def filled(case: tuple[list[str], list[bytes]]) -> list[bytes]:
        waiting = list(case[1])
        return [waiting.pop() if text == "BLOCK" else f"{text}\n".encode() for text in case[0]]

    return st.tuples(texts, data).map(filled)


def programs(model: str) -> st.SearchStrategy[list[bytes]]:
    one = TABLES[model].map(lambda text: [f"{text}\n".encode()])
    triggers = st.sampled_from([[b"*TRG\n"], [b"GET"], [b":TRIG1\n"], [b"INIT\n"], [b":READ?\n"], [b":TRIG:IMM\n"]])
    pieces = [
        ready(model),
        one,
        one,
        one,
        joined(model).map(lambda m: [m]),
        broken(model).map(lambda m: [m]),
        triggers,
        triggers,
        st.just([b"SYST:ERR?\n"]),
        st.sampled_from([[b"*RST\n"], [b"*CLS\n"], [b"*RCL 1\n"], [b"*IDN?\n"]]),
    ]
    if model in (*GENERATORS, "dwa-1"):
        pieces.append(blocks(model).map(lambda m: [m]))
    chunks = st.tuples(ready(model), st.lists(st.one_of(*pieces), min_size=1, max_size=8), triggers)
    return chunks.map(lambda parts: [*parts[0], *(message for piece in parts[1] for message in piece), *parts[2]])


TSP_VALUES = {
    "levelv": small,
    "limiti": currents,
    "leveli": currents,
    "limitv": small,
    "func": st.sampled_from(["0", "1", "smua.OUTPUT_DCAMPS"]),
    "output": st.sampled_from(["0", "1", "2", "smua.OUTPUT_ON"]),
}


def tsp_programs() -> st.SearchStrategy[list[bytes]]:
    channel = st.sampled_from(["smua", "smub"])
    assignment = st.one_of(
        *(
            st.tuples(channel, st.just(name), values, st.sampled_from(["=", " = "])).map(
                lambda v: f"{v[0]}.source.{v[1]}{v[3]}{v[2]}"
            )
            for name, values in TSP_VALUES.items()
        )
    )
    evil = st.sampled_from(
        [
            "x = smua.source; x.levelv = 5",
            "smua['source'].levelv = 5",
            "for i = 1, 5 do smua.source.levelv = i end",
            "local s = smua s.source.levelv = 5",
            "loadstring('smua.source.levelv = 5')()",
            "smua.source.levelv = 0.1 * 50",
            "smua.source.levelv = --0.1\n5",
            "rawset(smua.source, 'levelv', 5)",
            "f = smua.reset f()",
            "loadandrunscript\nsmua.source.levelv = 5\nendscript",
            "smua.trigger.source.listv({0.1, 5})",
            "smua.trigger.source.linearv(0, 5, 10)",
            "_G.smua.source.levelv = 5",
            "print((function() smua.source.levelv = 5 return 1 end)())",
            "smua.source.levelv, smua.source.levelv = 0.1, 5",
            "smua.source.levelv = 0x7",
            "smua.source.levelv=[[5]]",
            "smua.measure.i(smua.nvbuffer1) smua.source.levelv = 5",
            "node[1].smua.source.levelv = 5",
            "smua.source.output = smua.source.output + 1",
        ]
    )
    fine = channel.map(
        lambda smu: [
            f"{smu}.source.func = 1\n".encode(),
            f"{smu}.source.limiti = 1e-3\n".encode(),
            f"{smu}.source.levelv = 0.1\n".encode(),
            b"print(errorqueue.count)\n",
            f"{smu}.source.output = 1\n".encode(),
        ]
    )
    single = st.one_of(
        st.lists(assignment, min_size=1, max_size=3).map("; ".join),
        evil,
        st.sampled_from(
            [
                "reset()",
                "smua.reset()",
                "print(errorqueue.next())",
                "print(smua.measure.i())",
                "smua.trigger.initiate()",
                "*TRG",
            ]
        ),
    )
    chunks = st.lists(st.one_of(fine, single.map(lambda text: [f"{text}\n".encode()])), min_size=1, max_size=8)
    return st.tuples(fine, chunks).map(lambda parts: [*parts[0], *(message for piece in parts[1] for message in piece)])


def hunt(model: str, folder: Path, count: int) -> Counter[str]:
    rig = Rig(model, folder)

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(tsp_programs() if model == "keithley-2602b" else programs(model))
    def judged(program: list[bytes]) -> None:
        rig.run(program)
        rig.seen["programs"] += 1

    judged()
    return rig.seen


@pytest.mark.parametrize("model", ADDRESSES)
def test_no_program_brings_an_instrument_beyond_its_limits(model, tmp_path):
    seen = hunt(model, tmp_path, PROGRAMS)
    assert seen["programs"] >= PROGRAMS
    # The programs went far enough for the judge to see something, and tried enough for the guard to refuse.
    assert seen["fired" if model in (*GENERATORS, "dwa-1") else "on"] > PROGRAMS / 20, seen
    assert seen["refused"] > PROGRAMS / 2


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("model", ADDRESSES)
def test_no_program_of_a_long_hunt_does(model, tmp_path):
    count = int(os.environ.get("DOMAINWALL_PROGRAMS", HUNT))
    seen = hunt(model, tmp_path, count)
    assert seen["programs"] >= count
    assert math.isfinite(seen["refused"])
