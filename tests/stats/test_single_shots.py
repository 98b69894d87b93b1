"""Single shots of known walls: the fit finds mean, variance, Fano length and spread, and its intervals cover them.

Walls take gamma-distributed steps whose mean differs from device to device. Estimates from one large sample must lie
within 4 standard errors (twice half the interval) of the truth: a wrong alarm once in 16 000 comparisons. Coverage is
counted over 200 populations; its bounds, 0.89 and 0.998, are 4 and 3 standard errors of a count of 95 %.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from calibration.estimate import Estimate
from calibration.fit.single_shots import PositionShots, SingleShotsFit, fit_single_shots
from drivers.errors import ConfigError

REFERENCE_S = 1e-6
MU, FANO, DTOD = {0: 4e-3, 1: 3.6e-3}, 2e-4, 0.08


@dataclass(frozen=True)
class Design:
    devices: int = 40
    widths_s: tuple[float, ...] = (2e-7, 1e-6)
    runs: int = 2
    steps: int = 6
    noise_sd: float = 1e-3
    shared: bool = True
    span: float = 0.4
    ragged: bool = False
    """Every second step has twice the pulses."""
    fano: float = FANO
    law: float = 1.0
    """Power of the width that a displacement grows with."""
    uphill: float = 0.0
    """How much faster walls go at the upper end than at the lower, relative."""


def measured(design: Design, seed: int) -> PositionShots:
    generator = np.random.default_rng(seed)
    count = design.devices
    speed = 1 + DTOD * generator.standard_normal(count)
    rows: list[tuple[np.ndarray, ...]] = []

    def read(position: np.ndarray) -> np.ndarray:
        return position + generator.normal(0, design.noise_sd, count)

    for width_s in design.widths_s:
        for _ in range(design.runs):
            position = np.full(count, 0.5 - design.span / 2)
            reading = read(position)
            fresh = True
            for direction, sign in ((0, 1), (1, -1)):
                for step in range(design.steps):
                    mean = MU[direction] * (width_s / REFERENCE_S) ** design.law
                    pulses = max(1, round(design.span / design.steps / mean))
                    pulses *= 1 + (design.ragged and step % 2)
                    drift = mean * pulses * speed * (1 + design.uphill * (position - 0.5))
                    before = reading if design.shared else read(position)
                    position = position + sign * generator.gamma(drift / design.fano, design.fano)
                    reading = read(position)
                    ones = np.ones(count)
                    rows.append((direction * ones, pulses * ones, width_s * ones, before, reading, (not fresh) * ones))
                    fresh = not design.shared
    table = np.stack([np.stack(row) for row in rows])  # (rows, fields, devices)
    fields = np.moveaxis(table, (0, 1, 2), (2, 0, 1)).reshape(6, -1)
    return PositionShots(
        device=np.repeat(np.arange(count), len(rows)),
        direction=fields[0].astype(np.intp),
        pulses=fields[1].astype(np.int64),
        width_s=fields[2],
        before=fields[3],
        after=fields[4],
        shared=fields[5].astype(bool),
        noise=np.full(count, design.noise_sd**2),
    )


def fitted(shots: PositionShots) -> SingleShotsFit:
    return fit_single_shots(shots, reference_width_s=REFERENCE_S, margin=0.04)


def found(fit: SingleShotsFit, fano: float = FANO) -> dict[str, tuple[Estimate, float]]:
    pairs = {}
    for direction, one in enumerate((fit.push, fit.pull)):
        way = ("push", "pull")[direction]
        pairs[f"mean {way}"] = one.mean, MU[direction]
        pairs[f"variance {way}"] = one.variance, MU[direction] * fano
        pairs[f"fano {way}"] = one.fano, fano
        pairs[f"dtod {way}"] = one.dtod, DTOD
    return pairs


@pytest.mark.parametrize(
    "design",
    [
        # Noise as large as the scatter of the steps: what readings share decides about the variance.
        Design(devices=6000, noise_sd=4e-3),
        Design(devices=6000, noise_sd=4e-3, shared=False),
        Design(devices=600, noise_sd=4e-3, ragged=True, span=0.3),
        Design(devices=600, noise_sd=4e-3, steps=2, runs=3),
        # A long way in long steps of much scatter: many shots come near the ends.
        Design(devices=3000, span=0.85, steps=3, fano=4e-3),
    ],
)
def test_a_large_sample_gives_the_truth(design: Design) -> None:
    fit = fitted(measured(design, seed=1))
    for name, (estimate, truth) in found(fit, design.fano).items():
        assert abs(estimate.value - truth) < estimate.high - estimate.low, name
    assert fit.proportionality_p is not None
    assert fit.proportionality_p > 1e-3
    assert fit.evenness_p is not None
    assert fit.evenness_p > 1e-3


@pytest.mark.parametrize("design", [Design(), Design(noise_sd=4e-3, ragged=True, span=0.3, shared=False)])
def test_intervals_cover_the_truth(design: Design) -> None:
    populations = 200
    covered: dict[str, int] = {}
    for seed in range(populations):
        for name, (estimate, truth) in found(fitted(measured(design, seed=seed))).items():
            covered[name] = covered.get(name, 0) + estimate.contains(truth)
    for name, count in covered.items():
        assert 0.89 * populations <= count <= 0.998 * populations, (name, count)


def test_devices_measured_unequally_are_still_fitted() -> None:
    shots = measured(Design(devices=600), seed=2)
    generator = np.random.default_rng(3)
    # Some lack a width, others most of their shots.
    some = generator.random(600)[shots.device] < 0.3
    keep = ~(some & (shots.width_s < 5e-7)) & (generator.random(len(shots.device)) < 0.8)
    dropped = PositionShots(
        **{
            name: getattr(shots, name)[keep] for name in ("device", "direction", "pulses", "width_s", "before", "after")
        },
        shared=np.zeros(int(keep.sum()), bool),
        noise=shots.noise,
    )
    # Without the neighbours, whether a reading is shared is known only where both shots are there.
    shared = shots.shared[keep] & np.concatenate([[False], np.diff(np.flatnonzero(keep)) == 1])
    for name, (estimate, truth) in found(fitted(replace(dropped, shared=shared))).items():
        assert abs(estimate.value - truth) < estimate.high - estimate.low, name


def test_the_tests_of_the_model_find_where_it_fails() -> None:
    bent = fitted(measured(Design(law=0.8), seed=4))
    assert bent.proportionality_p is not None
    assert bent.proportionality_p < 1e-6
    uneven = fitted(measured(Design(uphill=0.5), seed=5))
    assert uneven.evenness_p is not None
    assert uneven.evenness_p < 1e-6


def test_shots_that_all_meet_the_ends_are_refused() -> None:
    shots = measured(Design(), seed=6)
    with pytest.raises(ConfigError, match="clear of the end stops"):
        fitted(replace(shots, before=np.where(shots.direction == 0, 0.01, 0.99)))
