"""Which of several laws describes the data: by an information criterion, or that it cannot be told."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import final

_TOO_CLOSE = 2.0


class Criterion(StrEnum):
    """What a free parameter costs."""

    AIC = "aic"
    """Two: aims at the best prediction."""
    BIC = "bic"
    """The logarithm of the number of data: finds the true law, if it is among them, as data grow."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A law chosen by a criterion."""

    best: str
    """The law chosen."""
    rivals: tuple[str, ...]
    """Other laws that describe the data as well: their criterion is less than 2 from the lowest. Best first."""
    criterion: Criterion
    """How it was chosen."""
    excess: dict[str, float]
    """Criterion of each law less the lowest."""

    @property
    def is_indistinguishable(self) -> bool:
        """Return whether the data leave more than one law."""
        return bool(self.rivals)


def choose(fits: Mapping[str, tuple[float, int]], data: int, criterion: Criterion) -> Choice:
    """Choose a law.

    Of laws closer than 2 the one with fewest parameters is chosen, and richer ones are no rivals: a law that contains
    the true one is never further than what its parameters cost, so that its closeness says nothing against the simpler.

    Args:
        fits: for each law the largest log-likelihood and the number of free parameters.
        data: how many independent data there are.
        criterion: AIC or BIC.
    """
    cost = 2.0 if criterion is Criterion.AIC else math.log(data)
    score = {law: cost * parameters - 2 * top for law, (top, parameters) in fits.items()}
    lowest = min(score.values())
    excess = {law: value - lowest for law, value in score.items()}
    close = [law for law in sorted(excess, key=excess.__getitem__) if excess[law] < _TOO_CLOSE]
    fewest = min(fits[law][1] for law in close)
    best, *rivals = [law for law in close if fits[law][1] == fewest]
    return Choice(best=best, rivals=tuple(rivals), criterion=criterion, excess=excess)
