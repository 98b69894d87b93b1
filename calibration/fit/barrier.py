"""A barrier that a current lowers, its hazard during a pulse, and the likelihood of counts of switching."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from calibration.fit.likelihood import LogLikelihood


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchingCounts:
    """Points of S-curves; each shot starts from a state prepared anew."""

    current: NDArray[np.float64]
    """Amplitude of the pulse, shape (M,)."""
    width_s: NDArray[np.float64]
    """Width of the pulse, seconds, shape (M,)."""
    shots: NDArray[np.int64]
    """Shots, shape (M,)."""
    switched: NDArray[np.int64]
    """Shots that switched, shape (M,)."""
    unit: str = "A"
    """Unit of the amplitude."""

    def __post_init__(self) -> None:
        if len({array.shape for array in (self.current, self.width_s, self.shots, self.switched)}) != 1:
            raise ValueError("current, width_s, shots and switched must have one entry for each point")
        if np.any(self.shots < 1) or np.any((self.switched < 0) | (self.switched > self.shots)):
            raise ValueError("each point needs at least one shot, and switched between 0 and shots")

    @property
    def stayed(self) -> NDArray[np.int64]:
        """Return the shots that did not switch, shape (M,)."""
        return self.shots - self.switched


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Barrier:
    """What is given of the law P = 1 - exp{-(t / tau_0) exp[-Delta (1 - I / I_c0)^b]}.

    The rest is fitted: ln Delta, ln I_c0 and, unless it is given, ln tau_0, in this order.
    """

    exponent: float
    """How the current lowers the barrier, b."""
    attempt_s: float | None
    """Attempt time tau_0, seconds; None if it is fitted."""

    @property
    def free(self) -> int:
        """Return the number of fitted parameters."""
        return 3 if self.attempt_s is None else 2

    def hazard(self, at: NDArray[np.float64], counts: SwitchingCounts) -> NDArray[np.float64]:
        """Return -ln(1 - P) of each point, shape (M,).

        A linear barrier goes on below zero, as the regression has it; a curved one ends there.
        """
        delta, critical = np.exp(at[:2])
        attempt = at[2] if self.attempt_s is None else np.log(self.attempt_s)
        rest = 1 - counts.current / critical
        height = delta * (rest if self.exponent == 1 else np.maximum(rest, 0.0) ** self.exponent)
        # Clipped where the probability is 0 or 1 in all digits, so that sums stay finite.
        return np.exp(np.clip(np.log(counts.width_s) - attempt - height, -600.0, 6.0))

    def probability(self, at: NDArray[np.float64], counts: SwitchingCounts) -> NDArray[np.float64]:
        """Return the switching probability of each point, shape (M,)."""
        return -np.expm1(-self.hazard(at, counts))

    def binomial(self, counts: SwitchingCounts) -> LogLikelihood:
        """Return the log-likelihood of independent shots, but for a constant."""

        def log_likelihood(at: NDArray[np.float64]) -> float:
            hazard = self.hazard(at, counts)
            return float(special.xlogy(counts.switched, -np.expm1(-hazard)).sum() - (counts.stayed * hazard).sum())

        return log_likelihood

    def beta_binomial(self, counts: SwitchingCounts) -> LogLikelihood:
        """Return the log-likelihood when each point's probability is beta-distributed about the law's.

        One more parameter, the last: the logarithm of 1 / (a + b) of the beta laws, zero for independent shots.
        """

        def log_likelihood(at: NDArray[np.float64]) -> float:
            hazard = self.hazard(at, counts)
            # Beyond e^18 the beta law is a point, and its functions are differences of large numbers.
            precision = np.exp(min(-at[-1], 18.0))
            a, b = precision * -np.expm1(-hazard), precision * np.exp(-hazard)
            return float((special.betaln(counts.switched + a, counts.stayed + b) - special.betaln(a, b)).sum())

        return log_likelihood
