"""Rules for commands of which only some parameters are levels."""

from drivers.errors import LimitError
from drivers.guard.number import number
from drivers.guard.rule import Call, Rule
from drivers.guard.state import State
from drivers.limits import Limit


def first_numbers(limit: Limit, count: int) -> Rule:
    """Return a rule for a sweep whose first `count` parameters are its ends; nothing between them lies outside."""

    def apply(_: State, call: Call) -> None:
        if len(call.parameters) < count:
            raise LimitError(f"{call.header} takes at least {count} parameters")
        for parameter in call.parameters[:count]:
            limit.check(number(parameter, limit.unit, limit.quantity))

    return Rule(apply)
