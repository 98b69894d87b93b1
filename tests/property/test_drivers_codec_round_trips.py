"""What the codec writes it reads back; what it did not write it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import scpi
from drivers.errors import HilError, LimitError, LinkDesync
from drivers.limits import Limit
from drivers.protocols import Crosspoint
from drivers.switches.keithley_7001 import format_channels, parse_channels

finite = st.floats(allow_nan=False, allow_infinity=False)
printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)


@given(finite)
def test_real_numbers(value):
    assert scpi.parse_real(scpi.format_number(value)) == value


@given(st.integers(-(10**18), 10**18))
def test_integers(value):
    assert scpi.parse_integer(scpi.format_number(value)) == value


@given(printable)
def test_strings(text):
    assert scpi.parse_string(scpi.format_string(text)) == text


@given(st.integers(-999, 999), printable)
def test_error_entries(code, text):
    entry = scpi.ErrorEntry(code=code, text=text)
    assert scpi.parse_error(f"{code},{scpi.format_string(text)}") == entry


@given(st.binary(max_size=300))
def test_blocks(data):
    reply = scpi.block_header(len(data)) + data + b"\n"
    assert scpi.decode_block(reply, np.uint8, len(data)).tobytes() == data


@given(st.binary(max_size=60), st.data())
def test_a_block_with_a_byte_changed_is_refused_unless_it_is_still_a_block(data, choose):
    reply = bytearray(scpi.block_header(len(data)) + data + b"\n")
    head = len(reply) - len(data) - 1
    at = choose.draw(st.sampled_from([*range(head), len(reply) - 1]))
    reply[at] ^= choose.draw(st.integers(1, 255))
    with pytest.raises(LinkDesync):
        scpi.decode_block(bytes(reply), np.uint8, len(data))


@given(st.binary(max_size=60), st.integers(0, 70))
def test_a_truncated_block_is_refused(data, cut):
    reply = scpi.block_header(len(data)) + data + b"\n"
    with pytest.raises(LinkDesync):
        scpi.decode_block(reply[: min(cut, len(reply) - 1)], np.uint8, len(data))


@given(st.binary(max_size=40))
def test_any_bytes_are_a_value_or_one_of_our_errors(reply):
    parsers = (
        scpi.parse_real,
        scpi.parse_integer,
        scpi.parse_boolean,
        scpi.parse_error,
        scpi.parse_identity,
        parse_channels,
    )
    for parse in parsers:
        try:
            value = parse(scpi.parse_text(reply))
        except HilError:
            continue
        assert value == value  # NaN is no value


@given(finite, finite, finite)
def test_a_limit_passes_what_lies_inside_and_nothing_else(one, other, value):
    limit = Limit(quantity="x", low=min(one, other), high=max(one, other), unit="V", origin="here")
    if limit.low <= value <= limit.high:
        assert limit.check(value) == value
    else:
        with pytest.raises(LimitError):
            limit.check(value)


@given(st.frozensets(st.builds(Crosspoint, slot=st.integers(1, 2), row=st.integers(1, 4), column=st.integers(1, 10))))
def test_channel_lists(points):
    assert parse_channels(format_channels(sorted(points))) == points
