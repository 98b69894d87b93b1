"""Open and short devices are found, and healthy ones are not taken for them, at the stated noise.

The figures to hold: recall 0.999, false alarms 1e-4 of the healthy devices. They are tried on 1000 arrays at the
largest noise at which one reading may give a verdict, every device where it is hardest to judge, and at the noise of
the bench that ships. Seeds are fixed. Bounds are 4 standard errors: with fresh seeds one of these tests would fail in
about 1 of 10 000 runs.
"""

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import numba
import numpy as np
import pytest
from scipy import stats

from calibration import DeviceParameters, Estimate, Health, HealthBounds, Route, health_bounds
from calibration.health import FALSE_ALARM, MISS
from drivers.protocols import ConductanceScale
from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.readout.parameters import Converter, Electrical
from sim_instruments.sample import Sample, SampleConfig

ARRAYS, DEVICES = 1000, 1000
LOW_S, HIGH_S = 2e-4, 4e-4
WIDE = ConductanceScale(offset_s=0.0, lsb_s=1e-8)
SHIPPED = ConductanceScale(offset_s=1.5e-4, lsb_s=4.5e-9)
Z = stats.norm.isf(FALSE_ALARM) + stats.norm.isf(MISS)

WALL = CompactParameters(
    track_length_m=1e-5,
    reference_amplitude_v=1.5,
    threshold_v=0.5,
    push_velocity_m_s=0.04,
    pull_velocity_m_s=0.036,
    push_fano_length_m=2e-9,
    pull_fano_length_m=2e-9,
    velocity_dtod=0.0,
    asymmetry_dtod=0.0,
    fano_dtod=0.0,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """For loops over arrays of one block each, threads only get into each other's way."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


def parameters(noise_s: float) -> DeviceParameters:
    """Return what a calibration without uncertainty would say."""

    def known(value: float, unit: str = "track") -> Estimate:
        return Estimate(value=value, low=value, high=value, unit=unit)

    return DeviceParameters(
        created=datetime(2026, 1, 1, tzinfo=UTC),
        bench="b",
        library="@domainwall",
        route=Route.ARRAY,
        amplitude_v=1.5,
        reference_width_s=1e-7,
        width_range_s=(1e-7, 1e-7),
        mu_push=known(4e-4),
        mu_pull=known(4e-4),
        variance_push=known(1e-8),
        variance_pull=known(1e-8),
        fano_push=known(2e-4),
        fano_pull=known(2e-4),
        dtod_push=known(0.1, "1"),
        dtod_pull=known(0.1, "1"),
        read_noise=known(noise_s / (HIGH_S - LOW_S)),
        conductance_low_s=known(LOW_S, "S"),
        conductance_high_s=known(HIGH_S, "S"),
        proportionality_p=None,
        evenness_p=None,
        devices=100,
        dropped_devices=0,
        dropped_runs=0,
        cycles=1,
        pulses=1,
        instruments=(),
        raw_file=None,
        raw_sha256="0" * 64,
    )


def count_errors(kind: Health, noise_s: float, scale: ConductanceScale, bounds: HealthBounds, readings: int = 1):
    """Return misses, bad devices, false alarms and healthy devices over all arrays, 2 % of the devices being bad."""
    config = SampleConfig(
        devices=DEVICES,
        seed=0,
        initial_position=0.0 if kind is Health.OPEN else 1.0,
        wall=WALL,
        electrical=Electrical(conductance_low_s=LOW_S, conductance_high_s=HIGH_S, write_resistance_ohm=1e3),
        readout=Converter(conductance_noise_s=noise_s, code_offset_s=scale.offset_s, code_lsb_s=scale.lsb_s),
        faults={
            kind.value: {"share": 0.02},
            "open_conductance_s": 0.1 * LOW_S,
            "short_conductance_s": 2 * HIGH_S,
        },
    )
    errors = np.zeros(4, np.int64)
    for seed in range(ARRAYS):
        sample = Sample(config.model_copy(update={"seed": seed}))
        codes = np.mean([sample.read_codes(0, DEVICES).copy() for _ in range(readings)], axis=0)
        truth = sample.faults.open if kind is Health.OPEN else sample.faults.short
        found = bounds.where(kind, codes)
        right = len(np.intersect1d(found, truth))
        errors += (len(truth) - right, len(truth), len(found) - right, DEVICES - len(truth))
    return errors.tolist()


def assert_figures(misses: int, bad: int, false: int, healthy: int) -> None:
    assert bad > 15_000
    assert misses / bad <= MISS + 4 * math.sqrt(MISS / bad)
    assert false / healthy <= FALSE_ALARM + 4 * math.sqrt(FALSE_ALARM / healthy)


@pytest.mark.parametrize("kind", [Health.OPEN, Health.SHORT])
def test_the_figures_hold_at_the_largest_noise_that_is_accepted(kind: Health):
    apart_s = 0.9 * LOW_S if kind is Health.OPEN else 65535 * WIDE.lsb_s - HIGH_S
    noise_s = (apart_s - WIDE.lsb_s) / Z * 0.9999
    bounds = health_bounds(parameters(noise_s), WIDE)
    misses, bad, false, healthy = count_errors(kind, noise_s, WIDE, bounds)
    assert_figures(misses, bad, false, healthy)
    # The bound divides the two errors as asked: neither is far rarer than it may be.
    if kind is Health.OPEN:
        assert misses / bad > MISS - 4 * math.sqrt(MISS / bad)
    assert false / healthy > FALSE_ALARM - 4 * math.sqrt(FALSE_ALARM / healthy)


@pytest.mark.parametrize("kind", [Health.OPEN, Health.SHORT])
def test_nothing_is_mistaken_at_the_noise_of_the_bench_that_ships(kind: Health):
    bounds = health_bounds(parameters(4e-9), SHIPPED)
    misses, _, false, _ = count_errors(kind, 4e-9, SHIPPED, bounds)
    assert (misses, false) == (0, 0)


def test_with_more_noise_the_mean_of_several_readings_decides():
    noise_s = 1.8 * (0.9 * LOW_S - WIDE.lsb_s) / Z
    single, mean = (health_bounds(parameters(noise_s), WIDE, readings=count) for count in (1, 4))
    assert not single.finds_open
    assert mean.finds_open
    assert_figures(*count_errors(Health.OPEN, noise_s, WIDE, mean, readings=4))


def test_a_converter_that_sees_no_difference_gives_no_verdict():
    narrow = ConductanceScale(offset_s=LOW_S, lsb_s=(HIGH_S - LOW_S) / 65535)
    bounds = health_bounds(parameters(4e-9), narrow)
    assert (bounds.finds_open, bounds.finds_short) == (False, False)
    codes = np.array([0, 65535], np.uint16)
    assert len(bounds.where(Health.OPEN, codes)) == len(bounds.where(Health.SHORT, codes)) == 0


def test_uncertain_end_stops_and_noise_count_at_their_worst():
    sure = health_bounds(parameters(4e-9), SHIPPED)
    doubtful = parameters(4e-9)
    doubtful = doubtful.model_copy(
        update={
            "conductance_low_s": Estimate(value=LOW_S, low=1.9e-4, high=2.1e-4, unit="S"),
            "conductance_high_s": Estimate(value=HIGH_S, low=3.9e-4, high=4.1e-4, unit="S"),
            "read_noise": Estimate(value=2e-5, low=1e-5, high=4e-5, unit="track"),
        }
    )
    wider = health_bounds(doubtful, SHIPPED)
    assert wider.open_below < sure.open_below
    assert wider.short_above > sure.short_above
    assert wider.noise_s == pytest.approx(4e-5 * 2.2e-4)


def test_the_evidence_is_in_words():
    bounds = health_bounds(parameters(4e-9), SHIPPED)
    assert bounds.evidence(Health.OPEN) == "below 0.0001727 S, healthy ones read 0.0002 S or more, noise 4e-09 S"
    codes = np.array([0, 5041, 5042, 30000, 61000, 65535], np.uint16)
    assert bounds.where(Health.OPEN, codes).tolist() == np.flatnonzero(codes * 4.5e-9 + 1.5e-4 < 1.7269e-4).tolist()
    kinds = [bounds.where(health, codes) for health in Health]
    assert np.array_equal(np.sort(np.concatenate(kinds)), np.arange(6))
