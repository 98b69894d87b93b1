"""The 81160A on the wire."""

import pytest

from drivers.errors import InstrumentError, LimitError, LinkTimeout, SafeStateError
from drivers.instrument import OutputState, Session
from drivers.link import LinkState
from drivers.protocols import Polarity, Pulse, PulseSource
from drivers.pulse_generators.keysight_81160a import KIND, SAFE, WIDTH, Keysight81160A, amplitude_limit

PUSH = Pulse(polarity=Polarity.PUSH, amplitude_v=1.5, width_s=1e-7)
PULL = Pulse(polarity=Polarity.PULL, amplitude_v=1.5, width_s=1e-7)


class Generator:
    """Enough of an 81160A to answer read-backs."""

    def __init__(self, wire):
        self.box = wire.add(
            replies={
                "*IDN?": "Agilent Technologies,81160A,MY1,1.0",
                "*OPC?": "1",
                ":OUTP1?": lambda _: self.settings.get(":OUTP1", "0"),
                **{
                    f"{header}?": self.answer
                    for header in (":VOLT1:HIGH", ":VOLT1:LOW", ":PULS:WIDT1", ":VOLT1:LIM:STAT")
                },
            }
        )
        self.settings: dict[str, str] = {}
        self.box.on_write = self.obey

    def obey(self, text: str) -> None:
        header, _, value = text.partition(" ")
        if value:
            self.settings[header] = {"ON": "1", "OFF": "0"}.get(value, value)

    def answer(self, text: str) -> str:
        return self.settings[text.removesuffix("?")]


@pytest.fixture
def generator(wire):
    return Generator(wire)


@pytest.fixture
def source(wire, generator):
    session = Session("pulser", wire.link(), kind=KIND, safe=SAFE)
    amplitude = amplitude_limit(50.0).narrowed(0.1, 2.5, "the bench")
    return Keysight81160A(session, amplitude=amplitude, width=WIDTH.narrowed(5e-9, 2e-6, "the bench"), load_ohm=50.0)


def test_opening_reads_and_touches_nothing(source, generator):
    assert generator.box.messages == ["*IDN?", ":OUTP1?"]
    assert source.session.output is OutputState.OFF
    assert isinstance(source, PulseSource)


def test_arming_a_push_pulse(source, generator):
    generator.box.messages.clear()
    source.arm(PUSH)
    assert generator.box.messages == [
        ":OUTP1 OFF",
        ":OUTP1?",
        ":ARM:SOUR1 MAN",
        ":VOLT1:LIM:STAT OFF",
        ":OUTP1:LOAD 50.0",
        ":FUNC1 PULS",
        ":OUTP1:POL NORM",
        ":VOLT1 0.05",
        ":VOLT1:OFFS 0.75",
        ":VOLT1:HIGH 1.5",
        ":VOLT1:LOW 0.0",
        ":FUNC1:PULS:TRAN 1E-09",
        ":PULS:WIDT1 1.5E-09",
        ":PULS:PER1 1E-06",
        ":PULS:WIDT1 1E-07",
        ":BURS1:STAT OFF",
        ":VOLT1:LIM:HIGH 2.5",
        ":VOLT1:LIM:LOW -2.5",
        ":VOLT1:LIM:STAT ON",
        "SYST:ERR?",
        ":VOLT1:HIGH?",
        ":VOLT1:LOW?",
        ":PULS:WIDT1?",
        ":VOLT1:LIM:STAT?",
        ":OUTP1 ON",
        ":OUTP1?",
        "SYST:ERR?",
    ]
    assert source.session.output is OutputState.ON


def test_a_pull_pulse_is_inverted_and_rests_at_zero(source, generator):
    source.arm(PULL)
    wanted = {":OUTP1:POL": "INV", ":VOLT1:HIGH": "0.0", ":VOLT1:LOW": "-1.5"}
    assert {header: generator.settings[header] for header in wanted} == wanted


@pytest.mark.parametrize(
    ("count", "commands"),
    [
        (1, [":BURS1:STAT OFF"]),
        (2, [":BURS1:NCYC 2", ":BURS1:STAT ON"]),
        (2_000_000_000, [":BURS1:NCYC 2000000000", ":BURS1:STAT ON"]),
    ],
)
def test_firing(source, generator, count, commands):
    source.arm(PUSH)
    generator.box.messages.clear()
    source.fire(count)
    assert generator.box.messages == [*commands, "SYST:ERR?", "*TRG", "*OPC?", "SYST:ERR?"]


def test_the_deadline_covers_the_burst(source, generator):
    source.arm(PUSH)
    source.fire(100_000_000)
    assert max(generator.box.timeouts_ms) >= 100_000  # 1e8 periods of 1 us


@pytest.mark.parametrize("count", [0, -1, 2_147_483_648])
def test_counts_outside_the_range_send_nothing(source, generator, count):
    source.arm(PUSH)
    generator.box.messages.clear()
    with pytest.raises(LimitError):
        source.fire(count)
    assert generator.box.messages == []


@pytest.mark.parametrize(
    "pulse",
    [
        Pulse(polarity=Polarity.PUSH, amplitude_v=2.6, width_s=1e-7),
        Pulse(polarity=Polarity.PUSH, amplitude_v=float("nan"), width_s=1e-7),
        Pulse(polarity=Polarity.PULL, amplitude_v=-1.0, width_s=1e-7),
        Pulse(polarity=Polarity.PULL, amplitude_v=1.0, width_s=1e-5),
    ],
)
def test_pulses_outside_the_limits_send_nothing(source, generator, pulse):
    generator.box.messages.clear()
    with pytest.raises(LimitError):
        source.arm(pulse)
    assert generator.box.messages == []


def test_nothing_fires_unarmed(source, generator):
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(1)
    source.arm(PUSH)
    source.output_off()
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(1)
    assert "*TRG" not in generator.box.messages


def test_a_refused_setting_leaves_the_output_off(source, generator):
    generator.box.replies["SYST:ERR?"] = ['-221,"Settings conflict"', '0,"No error"']
    with pytest.raises(InstrumentError, match="Settings conflict"):
        source.arm(PUSH)
    assert ":OUTP1 ON" not in generator.box.messages


@pytest.mark.parametrize("header", [":VOLT1:HIGH", ":VOLT1:LOW", ":PULS:WIDT1", ":VOLT1:LIM:STAT"])
def test_a_setting_that_did_not_take_leaves_the_output_off(source, generator, header):
    generator.box.replies[f"{header}?"] = "0.3"
    with pytest.raises(InstrumentError, match=r"0.3"):
        source.arm(PUSH)
    assert ":OUTP1 ON" not in generator.box.messages


def test_a_burst_without_an_answer_is_not_fired_again(source, generator):
    source.arm(PUSH)
    del generator.box.replies["*OPC?"]
    with pytest.raises(LinkTimeout):
        source.fire(5)
    assert source.session.link.state is LinkState.DESYNCED
    source.output_off()
    assert source.session.link.state is LinkState.SYNCED
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(5)
    assert generator.box.messages.count("*TRG") == 1


def test_an_output_that_stays_on_is_reported(source, generator):
    source.arm(PUSH)
    generator.box.replies[":OUTP1?"] = "1"
    with pytest.raises(SafeStateError):
        source.output_off()


def test_levels_scale_with_the_load():
    assert amplitude_limit(50.0).high == 5.0
    assert amplitude_limit(2000.0).high == pytest.approx(9.756, abs=1e-3)
