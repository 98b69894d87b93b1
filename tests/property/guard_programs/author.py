"""Puts programs together: messages that are fine, that are not, and that are broken."""

from dataclasses import dataclass
from random import Random

from guard_programs.vocabulary import Vocabulary

_TAILS = (
    *("HIGH 5", "LOW -2.6", "OFFS 2", "WIDT1 1", "LEV 5", "VOLT 5", "NCYC INF", "STAT ON", "AMPL 5", "ILIM 1"),
    *("PROT 1", "*TRG", ":OUTP ON"),
)
_TRIGGERS = (b"*TRG\n", b"GET", b":TRIG1\n", b"INIT\n", b":READ?\n", b":TRIG:IMM\n")
_COMMON = (b"*RST\n", b"*CLS\n", b"*RCL 1\n", b"*IDN?\n")
_STARTING = ("OUTP", "STATE", "INIT", "MEAS", "ARM", "output", "initiate", "TRG")
_WRONG_BYTES = b" :;,#\"'(?*\n0159AZe-.\x00\xff"


@dataclass(frozen=True, slots=True)
class Program:
    """What one program finds and does."""

    foreign: list[bytes]
    """What somebody else set before, which the guard has not seen."""
    messages: list[bytes]
    """What goes through the guard."""


def program(words: Vocabulary, pick: Random) -> Program:
    """Draw a program: settings that work, up to eight pieces that may not, and a trigger."""
    foreign = [*words.foreign, *(_setting(words, pick) for _ in range(pick.randrange(5)))]
    pieces = [_ready(words, pick), *(_piece(words, pick) for _ in range(pick.randint(1, 8)))]
    return Program(foreign, [*(message for piece in pieces for message in piece), _trigger(words, pick)])


def _setting(words: Vocabulary, pick: Random) -> bytes:
    """Return a command that starts nothing: what somebody else started, the guard could not have stopped."""
    text = words.command(pick)
    return b"" if any(word in text for word in _STARTING) else text.encode()


def _piece(words: Vocabulary, pick: Random) -> list[bytes]:
    match pick.randrange(16):
        case 0:
            return _ready(words, pick)
        case 1 | 2:
            return [_joined(words, pick)]
        case 3 | 4:
            return [_broken(words, pick)]
        case 5 | 6:
            return [_trigger(words, pick)]
        case 7:
            return [_ended(words, pick.choice(_COMMON))]
        case 8 | 9 if words.block is not None:
            return [words.block(pick)]
        case 10 | 11:
            # Confirmed, so that it counts from then on.
            return [words.command(pick).encode() + words.end, words.error_query]
        case 12:
            return [words.error_query]
        case _:
            return [words.command(pick).encode() + words.end]


def _ready(words: Vocabulary, pick: Random) -> list[bytes]:
    """Return settings that are fine; now and then one is missing, and what somebody else set is still there."""
    messages = words.ready(pick)
    if pick.random() < 0.25:
        del messages[pick.randrange(len(messages))]
    return messages


def _joined(words: Vocabulary, pick: Random) -> bytes:
    """Return a compound message, with relative headers, as some programs write them."""
    parts = [
        pick.choice(_TAILS) if pick.random() < 1 / 3 else words.command(pick) for _ in range(pick.choice((2, 3, 4)))
    ]
    return pick.choice((";", ";:", " ; ", "\n")).join(parts).encode() + words.end


def _broken(words: Vocabulary, pick: Random) -> bytes:
    """Return a command with a byte lost, doubled or changed."""
    data = bytearray(words.command(pick).encode())
    place = pick.randrange(len(data))
    match pick.randrange(4):
        case 0:
            del data[place]
        case 1:
            data.insert(place, data[place])
        case _:
            data[place] = pick.choice(_WRONG_BYTES)
    return bytes(data) + words.end


def _trigger(words: Vocabulary, pick: Random) -> bytes:
    return _ended(words, pick.choice(_TRIGGERS))


def _ended(words: Vocabulary, message: bytes) -> bytes:
    return message.removesuffix(b"\n") + words.end if message.endswith(b"\n") else message
