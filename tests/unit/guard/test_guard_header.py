"""Which rule a header names, and headers that could name two."""

import pytest

from drivers.errors import LimitError
from drivers.guard.header import Table

TABLE = Table(
    (("[:SENSe]:CURRent:PROTection", "compliance"), ("SOURce#:VOLTage[:LEVel]", "level"), ("VOLTage", "root"))
)


@pytest.mark.parametrize(
    ("header", "path", "rule", "numbers"),
    [
        (":SENS:CURR:PROT", (), "compliance", ()),
        ("CURRENT:PROTECTION", (), "compliance", ()),
        ("SOUR2:VOLT:LEV", (), "level", (2,)),
        ("LEV", ("SOUR", "VOLT"), "level", (1,)),
        (":VOLT", ("SOUR",), "root", ()),
    ],
)
def test_a_header_names_its_rule(header, path, rule, numbers):
    found = TABLE.find(header, path)
    assert found is not None
    assert (found.rule, found.numbers) == (rule, numbers)


def test_a_relative_header_with_two_meanings_is_refused():
    with pytest.raises(LimitError, match="two meanings after SOUR"):
        TABLE.find("VOLT", ("SOUR",))
