"""Programs for the 2602B, which speaks Lua."""

from random import Random

from guard_programs.vocabulary import CURRENTS, SMALL, Vocabulary, texts

_VALUES = (
    ("levelv", SMALL),
    ("limiti", CURRENTS),
    ("leveli", CURRENTS),
    ("limitv", SMALL),
    ("func", ("0", "1", "smua.OUTPUT_DCAMPS")),
    ("output", ("0", "1", "2", "smua.OUTPUT_ON")),
)
_EVIL = (
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
)
_PLAIN = (
    "reset()",
    "smua.reset()",
    "print(errorqueue.next())",
    "print(smua.measure.i())",
    "smua.trigger.initiate()",
    "smub.trigger.initiate()",
    "smua.trigger.source.action = smua.ENABLE",
    "smub.trigger.source.action = 0",
    "smua.trigger.source.listv({0.1, 0.2})",
    "smub.trigger.source.linearv(0, 0.2, 5)",
    "smua.trigger.source.lineari(0, 1, 5)",
    "*TRG",
)


def _assignment(pick: Random) -> str:
    name, values = pick.choice(_VALUES)
    return f"{pick.choice(('smua', 'smub'))}.source.{name}{pick.choice(('=', ' = '))}{pick.choice(values)}"


def _command(pick: Random) -> str:
    match pick.randrange(8):
        case 0:
            return pick.choice(_PLAIN)
        case 1 | 2:
            return pick.choice(_EVIL)
        case _:
            return "; ".join(_assignment(pick) for _ in range(pick.randint(1, 3)))


def _ready(pick: Random) -> list[bytes]:
    smu = pick.choice(("smua", "smub"))
    return texts(
        f"{smu}.source.func = 1",
        f"{smu}.source.limiti = 1e-3",
        f"{smu}.source.levelv = 0.1",
        "print(errorqueue.count)",
        f"{smu}.source.output = 1",
    )


VOCABULARY = Vocabulary(
    command=_command,
    ready=_ready,
    foreign=(
        b"smua.source.limiti = 3",
        b"smub.source.limitv = 20",
        b"smua.trigger.source.listv({0.1, 5})",
        b"smua.trigger.source.action = smua.ENABLE",
    ),
    error_query=b"print(errorqueue.count)\n",
)
