"""The rule of the pulse: note how the generator is left, see that it is so still, fire once, see that it stayed so."""

import time
from collections.abc import Mapping, Sequence
from typing import NoReturn

from drivers import scpi
from drivers.errors import InstrumentError, SettingsChanged
from drivers.instrument import Output, Session, Setting
from drivers.link import TIMEOUT_S


def is_on(output: Output) -> Setting:
    """Return the setting of an output that is on."""
    return Setting(query=output.query, value=1)


def switch_on(session: Session, output: Output, settings: Sequence[Setting], doing: str) -> None:
    """See that settings took, switch the output on and take note of it all.

    Args:
        session: the generator, set up.
        output: its output.
        settings: what must be read back.
        doing: what was done, for the message of an error.
    """
    session.check_errors(doing)
    session.confirm(settings)
    session.output_on(output)
    session.check_errors("switching the output on")
    session.remember((*settings, is_on(output)))


def fire_once(
    session: Session, trigger: str, *, words: Mapping[str, str], duration_s: float, end_query: str | None = "*OPC?"
) -> None:
    """Verify, trigger, wait for the end and verify again. Moves walls.

    Args:
        session: the generator, set up and remembered.
        trigger: the command that fires.
        words: queries whose answers are words, and the answers that there must be.
        duration_s: what the pulses themselves take, seconds.
        end_query: answers 1 after the last pulse; None for an instrument that cannot tell, whose time is waited out.

    Raises:
        SettingsChanged: before anything was fired, if a setting is not as it was left.
        InstrumentError: if that shows after the trigger: how many pulses went out is then unknown.
    """
    verify(session, words)
    session.command(trigger)
    if end_query is None:
        time.sleep(duration_s)
    else:
        session.ask(end_query, scpi.parse_boolean, timeout_s=TIMEOUT_S + duration_s)
    session.check_errors("firing")
    try:
        verify(session, words)
    except SettingsChanged as error:
        outcome_unknown(session, error)


def verify(session: Session, words: Mapping[str, str]) -> None:
    """See that numbers and words are as they were left; raise `SettingsChanged` if not."""
    session.verify()
    for query, word in words.items():
        found = session.ask(query, str)
        if found != word:
            raise SettingsChanged(
                f"{session.name} answers {found} to {query} where {word} was set: a reset, or another client; "
                "set it up again"
            )


def outcome_unknown(session: Session, error: SettingsChanged) -> NoReturn:
    """Raise what a change that shows only after the trigger means."""
    raise InstrumentError(
        f"{session.name} changed while it fired; how many pulses went out is unknown, read the devices anew: {error}"
    ) from error
