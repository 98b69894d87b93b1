"""What the Keithley 2400 and 2450 do alike in SCPI: be set up, take a list of levels, tell when readings are there."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers import scpi
from drivers.instrument import Session, Setting
from drivers.link import TIMEOUT_S
from drivers.smus.buffered import SLOWEST_READING_S, list_commands

_LIST_MESSAGE = 100  # values in one message


def set_up(session: Session, commands: Sequence[str]) -> None:
    """Send commands that set the instrument up; raise `InstrumentError` if it reports an error.

    Args:
        session: the instrument, with its output off.
        commands: what to send.
    """
    if session.link.generation:
        # What the queue holds after a resynchronisation belongs to the failure before it.
        session.drain_errors()
    for command in commands:
        session.command(command)
    session.check_errors("setting up")


def load_list(session: Session, levels: NDArray[np.float64], *, then: str) -> None:
    """Load the voltages of a sweep and see that all of them arrived.

    Args:
        session: the instrument.
        levels: the voltages, volts.
        then: the command that makes a sweep of the list.
    """
    for command in list_commands(":SOUR:LIST:VOLT", ":SOUR:LIST:VOLT:APP", levels, per_message=_LIST_MESSAGE):
        session.command(command)
    session.command(then)
    session.check_errors("loading a sweep")
    session.confirm((Setting(query=":SOUR:LIST:VOLT:POIN?", value=levels.size, relative=0.0),))


def await_readings(session: Session, count: int, *, query: str) -> None:
    """Wait for the end of a measurement; raise `InstrumentError` if the buffer holds another number of readings.

    Args:
        session: the instrument, which measures.
        count: readings that there must be.
        query: tells how many there are.
    """
    session.ask("*OPC?", scpi.parse_integer, timeout_s=TIMEOUT_S + count * SLOWEST_READING_S)
    found = session.ask(query, scpi.parse_integer)
    if found != count:
        raise session.refusal(f"has {found} readings where {count} were to be taken", session.drain_errors())
