"""Row 3 of the fault table: a reply that was garbled on its way is an error, or still a reply of the same grammar.

What no reader of a single reply can see is a change that leaves the grammar whole: one digit that became another, a
sign, a decimal point that moved. The grammars here are written a second time, character by character from IEEE 488.2,
so that the codec is not its own judge.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import scpi
from drivers.errors import LinkDesync

DIGITS = "0123456789"


def skip_sign(text: str) -> str:
    return text[1:] if text[:1] in ("+", "-") else text


def is_digits(text: str) -> bool:
    return text != "" and all(character in DIGITS for character in text)


def is_integer(text: str) -> bool:
    """NR1."""
    return is_digits(skip_sign(text))


def is_real(text: str) -> bool:
    """NR1, NR2 or NR3."""
    mantissa, mark, exponent = text.replace("e", "E").partition("E")
    whole, _, fraction = skip_sign(mantissa).partition(".")
    if mark and not is_integer(exponent):
        return False
    return is_digits(whole + fraction)


def is_boolean(text: str) -> bool:
    return text in ("0", "1")


def is_quoted(text: str) -> bool:
    if len(text) < 2 or text[0] not in "\"'" or text[-1] != text[0]:
        return False
    return text[0] not in text[1:-1].replace(text[0] * 2, "")


def is_error(text: str) -> bool:
    code, comma, words = text.partition(",")
    return comma == "," and is_integer(code.rstrip(" ")) and is_quoted(words.lstrip(" "))


def list_of(is_item, count):
    def is_list(text: str) -> bool:
        items = text.split(",")
        return len(items) == count and all(is_item(item) for item in items)

    return is_list


CASES = [
    (lambda text: scpi.parse_integer(text), is_integer, ["0", "-113", "+17", "1234567"]),
    (lambda text: scpi.parse_real(text), is_real, ["1.5E-4", "-2.5", ".5", "3.", "+1.000000E-06", "9.910000E+37"]),
    (lambda text: scpi.parse_boolean(text), is_boolean, ["0", "1"]),
    (lambda text: scpi.parse_error(text), is_error, ['0,"No error"', '-222,"Data out of range; ""X"""', "-1, 'a'"]),
    (lambda text: scpi.parse_reals(text, 2), list_of(is_real, 2), ["1.5E-4,4.5E-9"]),
    (lambda text: scpi.parse_integers(text, 3), list_of(is_integer, 3), ["5,258,0"]),
]


@st.composite
def garbled(draw, replies: list[str]) -> bytes:
    """A reply with bits flipped, bytes lost, doubled or put in, a line doubled, or cut short."""
    data = bytearray(draw(st.sampled_from(replies)).encode() + b"\n")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["flip", "lose", "double", "insert", "line", "cut"])):
            case "flip" if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "lose":
                del data[at : at + 1]
            case "double":
                data[at:at] = data[at : at + 1]
            case "insert":
                data[at:at] = draw(
                    st.sampled_from([b"\xff", b"\x00", b" ", b"N", b"e", b"+", b".", b",", b"\n", b"inf"])
                )
            case "line":
                data *= 2
            case _:
                del data[at:]
    return bytes(data)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_a_garbled_reply_is_refused_unless_it_is_still_of_its_grammar(case):
    parse, is_lawful, replies = CASES[case]

    @settings(max_examples=500, deadline=None)
    @given(garbled(replies))
    def check(reply: bytes) -> None:
        try:
            parse(scpi.parse_text(reply))
        except LinkDesync:
            return
        assert reply.endswith(b"\n")
        assert is_lawful(reply[:-1].decode("ascii"))

    check()


@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_grammars_of_this_test_know_the_replies_themselves(case):
    parse, is_lawful, replies = CASES[case]
    for reply in replies:
        assert is_lawful(reply)
        parse(reply)
