"""The five delays of a function of the Keithley 2450 that its user may give values."""

from collections.abc import Callable

from sim_instruments.instruments.keithley_2450.settings import DELAY, USERS
from sim_instruments.scpi_setting import real_setting
from sim_instruments.scpi_tree import Command


def user_delays(
    at: str, users_s: Callable[[], tuple[float, ...]], change: Callable[[tuple[float, ...]], None]
) -> tuple[Command, ...]:
    """Return the commands below a function's header.

    Args:
        at: the header.
        users_s: tells the five delays, seconds.
        change: puts others in their place.
    """

    def pair(number: int) -> tuple[Command, ...]:
        return real_setting(
            f"{at}:DELay:USER{number}",
            DELAY,
            lambda: users_s()[number - 1],
            lambda delay_s: change((*users_s()[: number - 1], delay_s, *users_s()[number:])),
        )

    return tuple(command for number in USERS for command in pair(number))
