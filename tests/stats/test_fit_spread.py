"""Device-to-device spread: intervals that are exact for normal laws.

500 data sets each: 460 to 490 (92 to 98 %) of right intervals hold the truth, but for 1 seed in 500; seeds are fixed.
"""

import numpy as np
import pytest

from calibration.fit.spread import balanced_spread, device_spread
from drivers.errors import DeviceFault


@pytest.mark.parametrize(("between", "devices"), [(0.05, 5), (0.2, 30), (0.6, 8)])
def test_intervals_cover_mean_and_spread_for_errors_of_any_size(between: float, devices: int) -> None:
    generator = np.random.default_rng([devices, round(100 * between)])
    hits = {"mean": 0, "between": 0, "balanced mean": 0, "balanced between": 0}
    for _ in range(500):
        error = generator.uniform(0.05, 0.3, devices)
        value = 1 + between * generator.standard_normal(devices) + error * generator.standard_normal(devices)
        one = device_spread(value, error**2, "1")
        level = 1 + between * generator.standard_normal((devices, 1))
        other = balanced_spread(level + 0.2 * generator.standard_normal((devices, 4)), "1")
        hits["mean"] += one.mean.contains(1.0)
        hits["between"] += one.between.contains(between)
        hits["balanced mean"] += other.mean.contains(1.0)
        hits["balanced between"] += other.between.contains(between)
    assert all(460 <= hit <= 490 for hit in hits.values()), hits


def test_the_spread_does_not_depend_on_the_unit() -> None:
    generator = np.random.default_rng(1)
    value, variance = 1 + 0.2 * generator.standard_normal(20), np.full(20, 0.01)
    large, small = device_spread(value, variance, "1"), device_spread(1e-4 * value, 1e-8 * variance, "track")
    assert small.between.value == pytest.approx(1e-4 * large.between.value, rel=1e-6)
    assert small.between.high == pytest.approx(1e-4 * large.between.high, rel=1e-6)


def test_the_estimate_is_that_of_paule_and_mandel() -> None:
    from statsmodels.stats.meta_analysis import combine_effects

    generator = np.random.default_rng(2)
    error = generator.uniform(0.5, 2.0, 15)
    value = 10 + 3 * generator.standard_normal(15) + error * generator.standard_normal(15)
    theirs = combine_effects(value, error**2, method_re="iterated", use_t=True)
    mine = device_spread(value, error**2, "1")
    assert mine.between.value**2 == pytest.approx(theirs.tau2, rel=1e-3)
    assert [mine.mean.low, mine.mean.high] == pytest.approx(list(theirs.conf_int()[3]), rel=1e-3)


def test_equal_devices_are_not_called_different() -> None:
    """Of 1000 data sets of equal devices 5 % within 4 standard errors; half as much spread as error is seen."""
    generator = np.random.default_rng(3)
    p_values = [
        (
            device_spread(0.2 * generator.standard_normal(10), np.full(10, 0.04), "1").equal_p,
            balanced_spread(generator.standard_normal((10, 4)), "1").equal_p,
        )
        for _ in range(1000)
    ]
    assert np.all(np.abs((np.array(p_values) < 0.05).sum(axis=0) - 50) < 28)
    varied = 0.5 * generator.standard_normal((40, 1)) + generator.standard_normal((40, 20))
    assert balanced_spread(varied, "1").equal_p < 1e-3


def test_two_devices_are_too_few() -> None:
    with pytest.raises(DeviceFault, match="at least 3"):
        device_spread(np.ones(2), np.ones(2), "1")
