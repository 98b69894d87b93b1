"""The 33500B and the 33600A on the wire."""

import numpy as np
import pytest

from drivers.errors import ConfigError, InstrumentError, LimitError, SettingsChanged
from drivers.instrument import OutputState, Session
from drivers.limits import Limit
from drivers.protocols import Polarity, Pulse, PulseSource, PulseTrain
from drivers.pulse_generators.bounds import PulseBounds
from drivers.pulse_generators.keysight_33500b import (
    COUNT,
    FAMILY_33500B,
    FAMILY_33600A,
    LONGEST_WAVEFORM,
    MODEL_33500B,
    MODEL_33600A,
    Keysight33500B,
    amplitude_limit,
    safe_state,
)

PUSH = Pulse(polarity=Polarity.PUSH, amplitude_v=1.5, width_s=1e-7)
PULL = Pulse(polarity=Polarity.PULL, amplitude_v=1.5, width_s=1e-7)
DEFAULTS = {"OUTP1": "0", "OUTP2": "0"}


def make_train(symbols, *, push_v=1.5, pull_v=1.5, width_s=1e-7, period_s=1e-6) -> PulseTrain:
    return PulseTrain(
        push_amplitude_v=push_v,
        pull_amplitude_v=pull_v,
        width_s=width_s,
        period_s=period_s,
        symbols=np.array(symbols, np.int8),
    )


class Generator:
    """Enough of a 33500B to answer read-backs."""

    def __init__(self, wire, model="33522B"):
        self.box = wire.add(replies={"*IDN?": f"Agilent Technologies,{model},MY1,5.03", "*OPC?": "1"})
        self.settings: dict[str, str] = dict(DEFAULTS)
        self.events = "0"
        self.forced: dict[str, str] = {}
        self.blocks: dict[str, bytes] = {}
        self.box.on_write = self.obey

    def obey(self, text: str) -> None:
        raw = self.box.raw[-1]
        if "DATA:" in text and b"#" in raw:
            name = text.partition(" ")[2].rstrip(",")
            body = raw.split(b"#", 1)[1]
            self.blocks[name] = body[1 + int(body[:1]) : -1]
        elif "?" in text and text not in ("*IDN?", "*OPC?", "SYST:ERR?", "*ESE?"):
            # The fake instrument looks up the queries of a joint message one by one.
            self.box.replies |= {query: self.answer(query) for query in text.split(";:")}
        header, _, value = text.partition(" ")
        if value:
            self.settings[header] = {"ON": "1", "OFF": "0"}.get(value, value)

    def answer(self, query: str) -> str:
        header, _, name = query.partition("?")
        if header.endswith("ATTR:POIN"):
            return self.forced.get(header, str(len(self.blocks[name.strip(' "')]) // 2))
        return self.events if query == "*ESR?" else self.forced.get(header, self.settings.get(header, "0"))


@pytest.fixture
def generator(wire):
    return Generator(wire)


def make_source(wire, family=FAMILY_33500B, channel=1, load_ohm=50.0):
    session = Session("pulser", wire.link(), kind=family.kind, safe=safe_state(channel))
    bounds = PulseBounds(
        amplitude=amplitude_limit(family, load_ohm).narrowed(0.1, 3.0, "the bench"),
        width=family.width.narrowed(20e-9 if family is FAMILY_33500B else 5e-9, 2e-6, "the bench"),
        count=COUNT,
        period=family.period,
        energy=Limit(quantity="energy of a burst", low=0.0, high=1.0, unit="J", origin="the test"),
        load_ohm=load_ohm,
    )
    return Keysight33500B(session, family=family, bounds=bounds, channel=channel)


@pytest.fixture
def source(wire, generator):
    return make_source(wire)


def test_opening_reads_and_touches_nothing(source, generator):
    assert generator.box.messages == ["*IDN?", "OUTP1?"]
    assert source.session.output is OutputState.OFF
    assert isinstance(source, PulseSource)


def test_arming_a_push_pulse(source, generator):
    generator.box.messages.clear()
    source.arm(PUSH)
    assert generator.box.messages == [
        "OUTP1 OFF",
        "OUTP1?",
        "TRIG1:SOUR BUS",
        "SOUR1:VOLT:LIM:STAT OFF",
        "OUTP1:LOAD 50.0",
        "SOUR1:FUNC:PULS:HOLD WIDT",
        "SOUR1:FUNC:PULS:TRAN:BOTH 8.4E-09",
        "SOUR1:FUNC:PULS:WIDT 1.6E-08",
        "SOUR1:FUNC:PULS:PER 1E-06",
        "SOUR1:FUNC PULS",
        "SOUR1:FUNC:PULS:WIDT 1E-07",
        "OUTP1:POL NORM",
        "SOUR1:VOLT 0.01",
        "SOUR1:VOLT:OFFS 0.75",
        "SOUR1:VOLT:HIGH 1.5",
        "SOUR1:VOLT:LOW 0.0",
        "SOUR1:BURS:MODE TRIG",
        "SOUR1:BURS:PHAS 0",
        "SOUR1:BURS:NCYC 1",
        "SOUR1:BURS:STAT ON",
        "TRIG1:DEL 0",
        "SOUR1:VOLT:LIM:HIGH 3.0",
        "SOUR1:VOLT:LIM:LOW -3.0",
        "SOUR1:VOLT:LIM:STAT ON",
        "SYST:ERR?",
        "SOUR1:VOLT:HIGH?",
        "SOUR1:VOLT:LOW?",
        "SOUR1:VOLT:LIM:STAT?",
        "SOUR1:VOLT:LIM:HIGH?",
        "SOUR1:VOLT:LIM:LOW?",
        "SOUR1:FUNC:PULS:WIDT?",
        "SOUR1:BURS:NCYC?",
        "SOUR1:BURS:STAT?",
        "OUTP1 ON",
        "OUTP1?",
        "SYST:ERR?",
        "*ESR?",
    ]
    assert source.session.output is OutputState.ON


def test_a_pull_pulse_is_inverted_and_rests_at_zero(source, generator):
    source.arm(PULL)
    wanted = {"OUTP1:POL": "INV", "SOUR1:VOLT:HIGH": "0.0", "SOUR1:VOLT:LOW": "-1.5"}
    assert {header: generator.settings[header] for header in wanted} == wanted


def test_the_other_channel_is_spoken_to_alone(wire, generator):
    source = make_source(wire, channel=2)
    source.arm(PUSH)
    source.fire(3)
    source.play(make_train([1, -1]))
    source.output_off()
    assert not [text for text in generator.box.messages if "SOUR1" in text or "OUTP1" in text or "TRIG1" in text]


@pytest.mark.parametrize("count", [1, 2, 100_000_000])
def test_firing_verifies_before_and_after(source, generator, count):
    source.arm(PUSH)
    generator.box.messages.clear()
    source.fire(count)
    verify = [
        "*ESR?;:SOUR1:VOLT:HIGH?;:SOUR1:VOLT:LOW?;:SOUR1:VOLT:LIM:STAT?;:SOUR1:VOLT:LIM:HIGH?;:SOUR1:VOLT:LIM:LOW?;:SOUR1:FUNC:PULS:WIDT?;:SOUR1:BURS:NCYC?;"
        ":SOUR1:BURS:STAT?;:OUTP1?",
        "TRIG1:SOUR?",
        "SOUR1:FUNC?",
    ]
    assert generator.box.messages == [
        f"SOUR1:BURS:NCYC {count}",
        "SYST:ERR?",
        "*ESR?",
        *verify,
        "*TRG",
        "*OPC?",
        "SYST:ERR?",
        *verify,
    ]


def test_the_deadline_covers_the_burst(source, generator):
    source.arm(PUSH)
    source.fire(100_000_000)
    assert max(generator.box.timeouts_ms) >= 100_000  # 1e8 periods of 1 us


CHANGES = [
    ("events", "128"),
    ("SOUR1:VOLT:HIGH", "1.6"),
    ("SOUR1:VOLT:LOW", "-1"),
    ("SOUR1:VOLT:LIM:STAT", "0"),
    ("SOUR1:VOLT:LIM:HIGH", "5"),
    ("SOUR1:VOLT:LIM:LOW", "-5"),
    ("SOUR1:FUNC:PULS:WIDT", "2e-7"),
    ("SOUR1:BURS:NCYC", "50"),
    ("SOUR1:BURS:STAT", "0"),
    ("OUTP1", "0"),
    ("TRIG1:SOUR", "IMM"),
    ("SOUR1:FUNC", "SQU"),
]


def change(generator, header, value):
    if header == "events":
        generator.events = value
    else:
        generator.forced[header] = value


@pytest.mark.parametrize(("header", "value"), CHANGES)
@pytest.mark.parametrize("moment", ["*ESR?", "*TRG"])
def test_a_change_is_noticed_before_the_trigger_and_after_it(source, generator, header, value, moment):
    source.arm(PUSH)
    taken = generator.box.on_write

    def spoil(text):
        taken(text)
        if text == moment:
            change(generator, header, value)

    generator.box.on_write = spoil
    with pytest.raises(InstrumentError) as caught:
        source.fire(5)
    assert isinstance(caught.value, SettingsChanged) is (moment == "*ESR?")
    assert generator.box.messages.count("*TRG") == (moment == "*TRG")
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(5)


@pytest.mark.parametrize("count", [0, -1, 100_000_001])
def test_counts_outside_the_range_send_nothing(source, generator, count):
    source.arm(PUSH)
    generator.box.messages.clear()
    with pytest.raises(LimitError):
        source.fire(count)
    assert generator.box.messages == []


@pytest.mark.parametrize(
    "pulse",
    [
        Pulse(polarity=Polarity.PUSH, amplitude_v=3.1, width_s=1e-7),
        Pulse(polarity=Polarity.PUSH, amplitude_v=float("nan"), width_s=1e-7),
        Pulse(polarity=Polarity.PULL, amplitude_v=-1.0, width_s=1e-7),
        Pulse(polarity=Polarity.PULL, amplitude_v=1.0, width_s=19e-9),
        Pulse(polarity=Polarity.PULL, amplitude_v=1.0, width_s=3e-6),
    ],
)
def test_pulses_outside_the_limits_send_nothing(source, generator, pulse):
    generator.box.messages.clear()
    with pytest.raises(LimitError):
        source.arm(pulse)
    assert generator.box.messages == []


def test_a_refused_setting_leaves_the_output_off(source, generator):
    generator.box.replies["SYST:ERR?"] = ['-221,"Settings conflict"', '+0,"No error"']
    with pytest.raises(InstrumentError, match="Settings conflict"):
        source.arm(PUSH)
    assert "OUTP1 ON" not in generator.box.messages


@pytest.mark.parametrize("header", [header for header, _ in CHANGES[1:9]])
def test_a_setting_that_did_not_take_leaves_the_output_off(source, generator, header):
    generator.forced[header] = "0.3"
    with pytest.raises(InstrumentError, match=r"0.3"):
        source.arm(PUSH)
    assert "OUTP1 ON" not in generator.box.messages


# ---- trains


def test_a_train_is_one_waveform_and_one_trigger(source, generator):
    train = make_train([1, -1, 0, 1], pull_v=0.75, period_s=3e-7)
    generator.box.messages.clear()
    cost = source.cost(train)
    assert generator.box.messages == []
    source.play(train)
    verify = [
        "*ESR?;:SOUR1:VOLT:HIGH?;:SOUR1:VOLT:LOW?;:SOUR1:VOLT:LIM:STAT?;:SOUR1:VOLT:LIM:HIGH?;:SOUR1:VOLT:LIM:LOW?;:SOUR1:FUNC:ARB:SRAT?;:SOUR1:BURS:NCYC?;"
        ':SOUR1:BURS:STAT?;:SOUR1:DATA:ATTR:POIN? "TRAIN";:OUTP1?',
        "TRIG1:SOUR?",
        "SOUR1:FUNC?",
    ]
    assert generator.box.messages == [
        "OUTP1 OFF",
        "OUTP1?",
        "TRIG1:SOUR BUS",
        "SOUR1:BURS:STAT ON",
        "SOUR1:DATA:VOL:CLE",
        "FORM:BORD NORM",
        "SOUR1:DATA:ARB:DAC TRAIN,",
        "SOUR1:VOLT:LIM:STAT OFF",
        "OUTP1:LOAD 50.0",
        "OUTP1:POL NORM",
        'SOUR1:FUNC:ARB "TRAIN"',
        "SOUR1:FUNC ARB",
        "SOUR1:FUNC:ARB:ADV SRAT",
        "SOUR1:FUNC:ARB:FILT OFF",
        "SOUR1:FUNC:ARB:SRAT 10000000.0",
        "SOUR1:VOLT 0.01",
        "SOUR1:VOLT:OFFS 0.0",
        "SOUR1:VOLT:HIGH 1.5",
        "SOUR1:VOLT:LOW -1.5",
        "SOUR1:BURS:MODE TRIG",
        "SOUR1:BURS:PHAS 0",
        "SOUR1:BURS:NCYC 1",
        "SOUR1:BURS:STAT ON",
        "TRIG1:DEL 0",
        "SOUR1:VOLT:LIM:HIGH 3.0",
        "SOUR1:VOLT:LIM:LOW -3.0",
        "SOUR1:VOLT:LIM:STAT ON",
        "SYST:ERR?",
        "SOUR1:VOLT:HIGH?",
        "SOUR1:VOLT:LOW?",
        "SOUR1:VOLT:LIM:STAT?",
        "SOUR1:VOLT:LIM:HIGH?",
        "SOUR1:VOLT:LIM:LOW?",
        "SOUR1:FUNC:ARB:SRAT?",
        "SOUR1:BURS:NCYC?",
        "SOUR1:BURS:STAT?",
        'SOUR1:DATA:ATTR:POIN? "TRAIN"',
        "OUTP1 ON",
        "OUTP1?",
        "SYST:ERR?",
        "*ESR?",
        *verify,
        "*TRG",
        "*OPC?",
        "SYST:ERR?",
        *verify,
    ]
    assert cost.messages == len(generator.box.messages)
    assert cost.bytes_out == len(generator.blocks["TRAIN"]) == 26
    assert np.frombuffer(generator.blocks["TRAIN"], ">i2").tolist() == [
        0, 32767, 0, 0, -16384, 0, 0, 0, 0, 0, 32767, 0, 0,
    ]  # fmt: skip


def test_thousands_of_pulses_are_fewer_than_sixty_messages(source, generator):
    train = make_train(np.random.default_rng(3).integers(-1, 2, 50_000))
    generator.box.messages.clear()
    source.play(train)
    assert len(generator.box.messages) == source.cost(train).messages < 60


def test_a_long_train_of_few_runs_is_a_sequence(source, generator):
    train = make_train(np.repeat([1, 0, -1], [1_000_001, 7, 10]), width_s=20e-9, period_s=40e-9)
    generator.box.messages.clear()
    cost = source.cost(train)
    source.play(train)
    text = next(raw for raw in generator.box.raw if raw.startswith(b"SOUR1:DATA:SEQ ")).split(b'"', 1)[1].decode()
    assert text == (
        'TRAIN","REST",0,repeatTilTrig,maintain,4,"PUSH",1000000,repeat,maintain,4,"PUSH",1,repeat,maintain,4,'
        '"REST",7,repeat,maintain,4,"PULL",10,repeat,maintain,4,"REST",1,once,maintain,4\n'
    )
    assert np.frombuffer(generator.blocks["PUSH"], ">i2").tolist() == [32767] * 4 + [0] * 4
    assert np.frombuffer(generator.blocks["PULL"], ">i2").tolist() == [-32767] * 4 + [0] * 4
    assert generator.settings["SOUR1:FUNC:ARB:SRAT"] == "200000000.0"
    assert generator.settings["SOUR1:BURS:STAT"] == "0"
    assert cost.messages == len(generator.box.messages)
    assert cost.duration_s == pytest.approx(1_000_019 * 40e-9)


@pytest.mark.parametrize(
    "train",
    [
        make_train([1, 1, -1], period_s=2.5e-7),
        make_train(np.tile([1] * 2000 + [-1] * 2000, 260), width_s=1e-7, period_s=1e-6),
    ],
)
def test_what_fits_neither_form_is_played_as_bursts(source, generator, train):
    cost = source.cost(train)
    generator.box.messages.clear()
    source.play(train)
    assert not generator.blocks
    runs = 1 + np.count_nonzero(np.diff(train.symbols))
    assert generator.box.messages.count("*TRG") == runs
    assert cost.messages == len(generator.box.messages)
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(1)


@pytest.mark.parametrize(
    "train",
    [
        make_train([1], push_v=3.1),
        make_train([-1], pull_v=0.05),
        make_train([1], width_s=3e-6, period_s=1e-5),
        make_train([1], period_s=1e-7),
        make_train([1], width_s=20e-9, period_s=32e-9),
        make_train([2]),
        make_train([]),
        make_train([0, 0]),
    ],
)
def test_trains_outside_the_limits_send_nothing(source, generator, train):
    generator.box.messages.clear()
    for use in (source.cost, source.play):
        with pytest.raises(LimitError):
            use(train)
    assert generator.box.messages == []


def test_a_waveform_that_did_not_arrive_is_not_fired(source, generator):
    generator.forced["SOUR1:DATA:ATTR:POIN"] = "8"
    with pytest.raises(InstrumentError, match="ATTR:POIN"):
        source.play(make_train([1, -1, 1, 1]))
    assert "OUTP1 ON" not in generator.box.messages
    assert "*TRG" not in generator.box.messages


def test_the_33600a_sends_shorter_pulses_and_longer_waveforms(wire):
    generator = Generator(wire, "33622A")
    source = make_source(wire, FAMILY_33600A)
    source.play(make_train([1, -1], width_s=5e-9, period_s=5e-8))
    assert len(generator.blocks["TRAIN"]) // 2 == 32
    assert generator.settings["SOUR1:FUNC:ARB:SRAT"] == "200000000.0"
    assert LONGEST_WAVEFORM == 1_000_000


def test_a_sequence_that_would_need_too_fast_samples_is_played_as_bursts(wire):
    generator = Generator(wire, "33622A")
    source = make_source(wire, FAMILY_33600A)
    # 32 points for two widths of 5 ns would be 3.2 GSa/s.
    source.play(make_train(np.ones(600_000), width_s=5e-9, period_s=1e-8))
    assert not generator.blocks
    assert generator.settings["SOUR1:BURS:NCYC"] == "600000"


def test_a_sequence_of_too_many_steps_is_played_as_bursts(source, generator):
    # 508 runs of one pulse are 508 steps; the last run needs three.
    symbols = np.append(np.tile(np.array([1, -1], np.int8), 254), np.zeros(2_000_001, np.int8))
    assert source.cost(make_train(symbols, period_s=2e-7)).messages > 1000
    assert source.cost(make_train(symbols[:-1], period_s=2e-7)).messages < 60


def test_nothing_fires_on_a_new_connection(source, generator):
    source.arm(PUSH)
    source.session.link.resynchronise()
    with pytest.raises(InstrumentError, match="not armed"):
        source.fire(1)
    assert "*TRG" not in generator.box.messages


def test_bench_files_name_channels_that_exist():
    for model in (MODEL_33500B, MODEL_33600A):
        entry = model.entry(name="p", model=model.key, address="X", load_ohm=50.0, channel=2)
        assert model.safe(entry).command == "OUTP2 OFF"
        model.prepare(entry, "here")
        for wrong in ({"channel": 3}, {"pull_channel": 2}):
            with pytest.raises(ConfigError, match="both polarities"):
                model.prepare(entry.model_copy(update=wrong), "here")
