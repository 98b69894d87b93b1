"""The codec takes one form and refuses every other; limits raise; deadlines count."""

import math

import numpy as np
import pytest

from drivers import scpi
from drivers.deadline import Deadline
from drivers.errors import ConfigError, LimitError, LinkDesync
from drivers.limits import Limit
from drivers.protocols import Identity

WIDTH = Limit(quantity="pulse width", low=1e-9, high=1e-5, unit="s", origin="the manual")


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (-3, "-3"), (np.uint8(7), "7"), (0.1, "0.1"), (1e-7, "1E-07"), (2.5e16, "2.5E+16")]
)
def test_numbers_as_text(value, text):
    assert scpi.format_number(value) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_infinity_goes_out(value):
    with pytest.raises(LimitError):
        scpi.format_number(value)


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1.0), ("+1.50E-06", 1.5e-6), (".5", 0.5), ("-2.", -2.0), ("9.91E37", 9.91e37)]
)
def test_real_numbers(text, value):
    assert scpi.parse_real(text) == value


@pytest.mark.parametrize(
    "text", ["", " 1", "1 ", "1_0", "nan", "inf", "1e999", "0x1", "1,2", "1.5.2", "1E", "--1", "٣", "+"]
)
def test_what_is_no_real_number(text):
    with pytest.raises(LinkDesync):
        scpi.parse_real(text)


@pytest.mark.parametrize("text", ["", "1.0", "1_0", " 1", "1e3", "٣", "+"])
def test_what_is_no_integer(text):
    with pytest.raises(LinkDesync):
        scpi.parse_integer(text)


@pytest.mark.parametrize("text", ["", "ON", "2", "01", "1 "])
def test_what_is_no_truth_value(text):
    with pytest.raises(LinkDesync):
        scpi.parse_boolean(text)


def test_truth_values():
    assert (scpi.parse_boolean("1"), scpi.parse_boolean("0")) == (True, False)
    assert (scpi.format_boolean(True), scpi.format_boolean(False)) == ("ON", "OFF")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('0,"No error"', 0, "No error"),
        ('+0, "No error"', 0, "No error"),
        ('-113,"Undefined header; ""X"""', -113, 'Undefined header; "X"'),
        ("-222,'out of range'", -222, "out of range"),
    ],
)
def test_error_entries(text, code, words):
    assert scpi.parse_error(text) == scpi.ErrorEntry(code=code, text=words)


@pytest.mark.parametrize("text", ["0", "No error", '0,"No', '0,"a" b', '"0","No error"'])
def test_what_is_no_error_entry(text):
    with pytest.raises(LinkDesync):
        scpi.parse_error(text)


def test_identities():
    assert scpi.parse_identity("Acme, Box,12 ,1.0") == Identity(
        manufacturer="Acme", model="Box", serial="12", firmware="1.0"
    )
    with pytest.raises(LinkDesync):
        scpi.parse_identity("Acme,Box")


def test_a_padded_block_length_is_lawful():
    assert bytes(scpi.decode_block(b"#800000002ab\n", "u1", 2)) == b"ab"


@pytest.mark.parametrize("reply", [b"%12ab\n", b" 12ab\n", b"112ab\n", b"#:0000000002ab\n"])
def test_a_block_starts_with_a_sharp_and_a_digit(reply):
    with pytest.raises(LinkDesync, match="expected a definite-length block"):
        scpi.decode_block(reply, "u1", 2)


def test_a_block_that_cannot_be_framed():
    assert scpi.block_header(999_999_999) == b"#9999999999"
    for size in (-1, 10**9):
        with pytest.raises(LimitError):
            scpi.block_header(size)


def test_a_limit_names_the_value_the_range_and_its_origin():
    assert WIDTH.check(1e-9) == 1e-9
    with pytest.raises(LimitError, match=r"pulse width 2e-05 s is outside 1e-09 to 1e-05 s, set by the manual"):
        WIDTH.check(2e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0, -1e-6])
def test_nothing_outside_a_limit_passes(value):
    with pytest.raises(LimitError):
        WIDTH.check(value)


def test_limits_can_only_be_narrowed():
    assert WIDTH.narrowed(1e-8, 1e-5, "here") == Limit(
        quantity="pulse width", low=1e-8, high=1e-5, unit="s", origin="here"
    )
    for low, high in ((1e-10, 1e-6), (1e-8, 1e-4), (math.nan, 1e-6), (1e-8, math.inf), (1e-6, 1e-8)):
        with pytest.raises(ConfigError, match="here"):
            WIDTH.narrowed(low, high, "here")


def test_a_deadline_counts_down_and_stays_at_zero():
    class Clock:
        now_s = 10.0

        def monotonic_s(self) -> float:
            return self.now_s

    clock = Clock()
    deadline = Deadline.after(2.0, clock)
    assert (deadline.left_s(), deadline.expired) == (2.0, False)
    clock.now_s = 12.0
    assert (deadline.left_s(), deadline.expired) == (0.0, True)
    clock.now_s = 99.0
    assert deadline.left_s() == 0.0
