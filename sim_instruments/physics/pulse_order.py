"""In which order the pushes and pulls of one event reach a wall: interleaved evenly, a push first."""

import numba as nb


@nb.njit(inline="always", cache=True)
def is_push_next(pushed: int, pulled: int, push: int, pull: int) -> bool:
    """Tell whether the next pulse of an event is a push, as long as a pulse is left.

    The polarity that lags behind its share comes next: 5 pushes and 2 pulls are + - + + - + +, equal counts + - + - ...

    Args:
        pushed: pushes that were applied.
        pulled: pulls that were applied.
        push: pushes of the event.
        pull: pulls of the event.
    """
    return push != 0 and pushed * pull <= pulled * push
