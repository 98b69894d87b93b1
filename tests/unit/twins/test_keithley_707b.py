"""The 707B twin: channel lists, rules, and what moves."""

import tomllib
from importlib.resources import files

import pytest

from sim_instruments.bench import SimulatedBench
from sim_instruments.config import BenchConfig


class Talk:
    """A bus to the matrix of a bench with four wired devices; the card is in slot 2."""

    def __init__(self) -> None:
        tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
        tables["sample"]["devices"] = 100
        tables["wiring"] |= {"devices": [10, 20, 30, 40], "slot": 2}
        tables["instrument"] = [{"model": "keithley-707b", "address": "GPIB0::1::INSTR", "serial": "07"}]
        self.bench = SimulatedBench(BenchConfig.model_validate(tables))
        (self.device,) = self.bench.instruments.values()

    def write(self, message: str) -> None:
        self.device.receive(message.encode(), has_end=True)

    def ask(self, expression: str) -> str:
        self.write(expression if expression.startswith("*") else f"print({expression})")
        chunk = self.device.send(1 << 16, has_end=True)
        assert chunk is not None, "nothing was printed"
        return chunk.data.decode().removesuffix("\n")

    def closed(self) -> str:
        return self.ask("channel.getclose('allslots')")

    def errors(self) -> list[int]:
        codes = []
        while code := int(float(self.ask("errorqueue.next()").split("\t")[0])):
            codes.append(code)
        return codes


@pytest.fixture
def matrix():
    return Talk()


def test_identity_and_cards(matrix):
    assert matrix.ask("*IDN?") == "Keithley Instruments Inc., Model 707B, 07, 01.41a"
    assert matrix.ask("slot[1].idn") == "Empty Slot"
    assert matrix.ask("slot[2].idn").startswith("7174A, 8x12")
    assert matrix.ask("slot[6].idn, slot[7]") == "Empty Slot\tnil"


@pytest.mark.parametrize(
    ("listed", "closed"),
    [
        ("2A01", "2A01"),
        ("2a01", "2A01"),
        ("2B03, 2A12", "2A12;2B03"),
        ("2A01;2A02", "2A01;2A02"),
        ("2A11:2B02", "2A11;2A12;2B01;2B02"),
        ("2H12,2H12", "2H12"),
    ],
)
def test_channel_lists(matrix, listed, closed):
    matrix.write(f'channel.close("{listed}")')
    assert matrix.closed() == closed
    assert matrix.errors() == []
    matrix.write(f'channel.open("{listed}")')
    assert matrix.closed() == "nil"


@pytest.mark.parametrize(
    "listed",
    ["1A01", "2I01", "2A13", "2A00", "2A1", "", "A01", "2A05:2A01", "2A01:3A01", "2A01,,2A02", "Path", "slot9"],
)
def test_channels_that_do_not_exist_move_nothing(matrix, listed):
    matrix.write("channel.close('2C03')")
    for verb in ("close", "open", "exclusiveclose"):
        matrix.write(f'channel.{verb}("2A01,{listed}")')
    assert matrix.errors() == [-222] * 3
    assert matrix.closed() == "2C03"


@pytest.mark.parametrize(("call", "code"), [("close()", -109), ("close(1)", -104), ("close('2A01', '2A02')", -108)])
def test_wrong_arguments(matrix, call, code):
    matrix.write(f"channel.{call}")
    assert matrix.errors() == [code]


def test_states(matrix):
    matrix.write("channel.close('2A02')")
    assert matrix.ask("channel.getstate('2A01:2A03')") == "0,1,0"
    assert matrix.ask("tonumber(channel.getstate('2A02')) == channel.IND_CLOSED") == "true"
    assert (
        matrix.ask("channel.getclose('slot2'), channel.getclose('slot1'), channel.getclose('2A01')") == "2A02\tnil\tnil"
    )


def test_rows_are_those_of_the_wiring(matrix):
    matrix.write("channel.close('2A01,2B03')")
    assert matrix.bench.wiring.pulsed_devices() == (10,)
    assert matrix.bench.wiring.measured_devices() == (30,)


def test_exclusive_close_obeys_the_rule(matrix, monkeypatch):
    moves: list[tuple[str, list[tuple[int, int, int]]]] = []
    wiring = matrix.bench.wiring
    for name in ("open", "close"):
        original = getattr(wiring, name)

        def spy(points, name=name, original=original):
            moves.append((name, list(points)))
            original(points)

        monkeypatch.setattr(wiring, name, spy)
    matrix.write("channel.close('2A01')")
    moves.clear()
    matrix.write("channel.exclusiveclose('2B01')")
    assert moves == [("open", [(2, 1, 1)]), ("close", [(2, 2, 1)])]
    matrix.write("channel.connectrule = channel.MAKE_BEFORE_BREAK")
    moves.clear()
    matrix.write("channel.exclusiveslotclose('2C01')")
    assert moves == [("close", [(2, 3, 1)]), ("open", [(2, 2, 1)])]
    assert matrix.closed() == "2C01"


def test_rules_and_reset(matrix):
    assert matrix.ask("channel.connectrule, channel.connectsequential") == "1.00000e+00\t0.00000e+00"
    matrix.write("channel.connectrule = 0 channel.connectsequential = channel.ON channel.close('2A01,2A02')")
    assert matrix.ask("channel.connectrule, channel.connectsequential") == "0.00000e+00\t1.00000e+00"
    matrix.write("channel.connectrule = 3")
    assert matrix.errors() == [-222]
    matrix.write("reset()")
    assert matrix.ask("channel.connectrule, channel.connectsequential") == "1.00000e+00\t0.00000e+00"
    assert matrix.closed() == "nil"


def test_relays_take_their_time_and_hot_switching_is_noted(matrix):
    clock = matrix.bench.sample.clock
    matrix.write("channel.close('2A01,2A02')")
    assert clock.now_s == pytest.approx(3e-3)
    matrix.write("channel.connectsequential = 1 channel.close('2A03,2A04')")
    assert clock.now_s == pytest.approx(9e-3)
    assert matrix.bench.wiring.hot_switches == []
    matrix.bench.wiring.set_live("pulser", True)
    matrix.write("channel.open('allslots')")
    assert len(matrix.bench.wiring.hot_switches) == 4


def test_it_has_no_reading_buffer(matrix):
    matrix.write("printbuffer(1, 2, slot)")
    assert matrix.errors() == [-104]
