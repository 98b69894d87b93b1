"""A compact model that was derived from finer walls moves as they do, and trains as they do.

Seeds are fixed. Bounds are 4 standard errors: with fresh seeds one of these tests would fail in about 1 of 500 runs.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import stats
from sklearn.datasets import load_digits

from sim_instruments.coarse_grain.derive import Derived, derive
from sim_instruments.coarse_grain.experiment import Plan, measure
from sim_instruments.physics.collective.parameters import CollectiveParameters
from sim_instruments.physics.constants import BOLTZMANN_J_K
from sim_instruments.physics.creep.parameters import CreepParameters
from sim_instruments.physics.hopping import washboard
from sim_instruments.physics.hopping.parameters import HoppingParameters
from sim_instruments.physics.walls import Drive, Walls
from sim_instruments.wall_models import WallParameters, wall_model

KT = BOLTZMANN_J_K * 300
SPACING_M = 25e-9
TRACK: dict[str, Any] = {
    "track_length_m": 400 * SPACING_M,
    "material": "w-cofeb-mgo",
    "write_line": {
        "length_m": 11e-6,
        "width_m": 1e-7,
        "heavy_metal_thickness_m": 5e-9,
        "heavy_metal_resistivity_ohm_m": 1.2e-6,
        "magnet_thickness_m": 1e-9,
        "magnet_resistivity_ohm_m": 1.6e-6,
    },
}
BARRIER_KT, WORK_KT = 20.0, 12.0


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    # A thousand walls are too few for two threads to help each other.
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


def _hopping(**changes: Any) -> tuple[HoppingParameters, float, float]:
    """Return walls on a washboard with the amplitude and the width of a pulse that takes them one site on average."""
    table = TRACK | {"site_spacing_m": SPACING_M, "barrier_j": BARRIER_KT * KT, "angle_cosine": -1.0} | changes
    fine = TypeAdapter(HoppingParameters).validate_python(table)
    amplitude_v = WORK_KT * KT / SPACING_M / fine.force_per_volt_n_v
    forward, backward = washboard.hop_rates(BARRIER_KT, WORK_KT)
    return fine, amplitude_v, fine.friction_kg_s * SPACING_M**2 / KT / (forward - backward)


def _derived(fine: WallParameters, amplitude_v: float, width_s: float, **plan: Any) -> Derived:
    others = (0.97 * amplitude_v, 1.03 * amplitude_v)
    values = {"devices": 1024, "pulses": 128, "seed": 3} | plan
    return derive(measure(fine, Plan(amplitude_v=amplitude_v, width_s=width_s, also_amplitudes_v=others, **values)))


def _walls(parameters: WallParameters, count: int, seed: int, position: float) -> Walls:
    model = wall_model(parameters)
    state = {kept.name: np.full(count, kept.initial, kept.dtype) for kept in model.kept}
    state["position"][:] = position
    return model.build(count, seed, state)


def _displacement(
    parameters: WallParameters, drive: Drive, push: int, pull: int, count: int, seed: int
) -> NDArray[np.float64]:
    """Return how far an event takes each of many walls that have come to rest on their way to the middle."""
    walls = _walls(parameters, count, seed, 0.4)
    one, none = np.ones(count, np.uint8), np.zeros(count, np.uint8)
    walls.pulse_range(0, one * np.uint8(20), none, drive, event=1)
    before = walls.position.astype(np.float64)
    walls.pulse_range(0, one * np.uint8(push), one * np.uint8(pull), drive, event=2)
    return walls.position - before


def _drive(amplitude_v: float, width_s: float) -> Drive:
    return Drive(push_amplitude_v=amplitude_v, push_width_s=width_s, pull_amplitude_v=amplitude_v, pull_width_s=width_s)


def _assert_alike(fine: WallParameters, derived: Derived, drive: Drive, push: int, pull: int, count: int) -> None:
    """Compare means and variances; what the derivation itself is unsure of is in the bounds."""
    a = _displacement(fine, drive, push, pull, count, seed=11)
    b = _displacement(derived.parameters, drive, push, pull, count, seed=12)
    unsure = derived.estimates
    speed = unsure["push_velocity_m_s"].standard_error / unsure["push_velocity_m_s"].value
    fano = unsure["push_fano_length_m"].standard_error / unsure["push_fano_length_m"].value
    step = derived.parameters.mean_step(
        derived.parameters.push_velocity_m_s, drive.push_amplitude_v, drive.push_width_s
    )
    error = math.hypot(math.sqrt((a.var() + b.var()) / count), (push + pull) * step * speed)
    assert abs(a.mean() - b.mean()) < 4 * error
    kurtosis = [stats.moment(x, order=4) / x.var() ** 2 for x in (a, b)]
    error = math.hypot(math.sqrt((kurtosis[0] + kurtosis[1] - 2) / count), math.hypot(speed, fano))
    assert abs(math.log(a.var() / b.var())) < 4 * error


@pytest.fixture(scope="module")
def hops() -> tuple[HoppingParameters, Derived, Drive]:
    """Hopping walls whose devices differ, and what the compact model makes of them."""
    fine, amplitude_v, width_s = _hopping(torque_dtod=0.01)
    return fine, _derived(fine, amplitude_v, width_s), _drive(amplitude_v, width_s)


def test_hopping_walls_are_hops_of_one_site(hops: tuple[HoppingParameters, Derived, Drive]):
    _, derived, _ = hops
    # Without disorder the Fano length is p coth(F p / 2 kT).
    truth = SPACING_M / math.tanh(WORK_KT / 2)
    for name in ("push_fano_length_m", "pull_fano_length_m"):
        assert abs(derived.estimates[name].value - truth) < 4 * derived.estimates[name].standard_error
    assert abs(derived.estimates["memory_ratio"].value - 1) < 4 * derived.estimates["memory_ratio"].standard_error
    assert derived.law.law == "poisson" or derived.law.hop_cv < 0.2
    # The rate goes as exp(-Eb(f) / kT): its slope in f times 1 % of f.
    f = WORK_KT / (math.pi * BARRIER_KT)
    spread = 0.01 * f * (BARRIER_KT * math.acos(f) - f / (1 - f**2))
    velocity = derived.estimates["velocity_dtod"]
    assert velocity.low - 0.01 < spread < velocity.high + 0.01


@pytest.mark.parametrize(("push", "pull"), [(1, 0), (0, 1), (12, 0), (6, 6), (10, 3)])
def test_events_of_hopping_walls_and_of_the_derived_model_are_alike(
    hops: tuple[HoppingParameters, Derived, Drive], push: int, pull: int
):
    _assert_alike(*hops, push, pull, count=6000)


def test_memory_of_hopping_walls_is_seen():
    fine, amplitude_v, width_s = _hopping(spacing_cv=0.3)
    derived = _derived(fine, amplitude_v, width_s)
    assert derived.steps_depend
    assert derived.estimates["memory_ratio"].high < 0.9
    assert derived.estimates["push_fano_length_m"].low > 1.2 * SPACING_M


@pytest.mark.slow
@pytest.mark.parametrize(("push", "pull"), [(1, 0), (10, 0), (3, 3)])
def test_events_of_precessing_walls_and_of_the_derived_model_are_alike(
    precession: tuple[CollectiveParameters, Derived, Drive], push: int, pull: int
):
    _assert_alike(*precession, push, pull, count=300)


@pytest.fixture(scope="module")
def precession() -> tuple[CollectiveParameters, Derived, Drive]:
    """Walls of position and angle, which pulses of 2 ns take most of the time one site further."""
    table = TRACK | {"track_length_m": 160 * SPACING_M, "site_spacing_m": SPACING_M, "barrier_j": 2e-19}
    table["write_line"] = TRACK["write_line"] | {"length_m": 1e-6, "heavy_metal_thickness_m": 1e-9}
    table |= {"material": {"preset": "w-cofeb-mgo", "spin_polarisation": 0.0}, "settling_time_s": 1e-9}
    fine = TypeAdapter(CollectiveParameters).validate_python(table)
    return fine, _derived(fine, 1.8, 2e-9, devices=96, pulses=32), _drive(1.8, 2e-9)


def test_creeping_walls_and_the_derived_model_are_alike():
    table = {
        "material": "w-cofeb-mgo",
        "pinning": "w-cofeb-mgo",
        "track_length_m": 4e-5,
        "avalanche_length_m": 2e-8,
        "increments": "gamma",
        "depinning_field_dtod": 0.02,
        "write_line": TRACK["write_line"] | {"length_m": 5e-5, "width_m": 1e-6},
    }
    fine = TypeAdapter(CreepParameters).validate_python(table)
    derived = _derived(fine, 4.0, 2e-8)
    assert "gamma" in derived.law.indistinguishable
    for push, pull in ((1, 0), (12, 0), (6, 6)):
        _assert_alike(fine, derived, _drive(4.0, 2e-8), push, pull, count=6000)


def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    images, labels = load_digits(return_X_y=True)
    return images[:1000] / 16.0, labels[:1000]


def _train(
    parameters: WallParameters, drive: Drive, steps: tuple[float, float], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Train a linear classifier of digits whose 640 weights are walls, by push-pull pulses; weights are read from them.

    Drift is the difference of the counts, rounded by chance, and two doublets a step are the noise.

    Returns:
        The losses of all steps, and the weights at the end.
    """
    x, y = _digits()
    target = np.eye(10)[y]
    scale, rate = 12.0, 1.5
    walls = _walls(parameters, 640, seed, 0.5)
    random = np.random.default_rng(seed)
    losses = []
    for event in range(1, 61):
        w = scale * (walls.position.astype(np.float64) - 0.5).reshape(64, 10)
        logits = x @ w
        logits -= logits.max(1, keepdims=True)
        p = np.exp(logits)
        p /= p.sum(1, keepdims=True)
        losses.append(-np.log((p * target).sum(1)).mean())
        drift = -rate * (x.T @ (p - target) / len(x)).ravel() / scale
        wanted = drift / np.where(drift > 0, *steps)
        net = np.floor(wanted + random.random(640)).astype(np.int64)
        push, pull = 2 + np.maximum(net, 0), 2 + np.maximum(-net, 0)
        walls.pulse_range(0, push.astype(np.uint8), pull.astype(np.uint8), drive, event)
    return np.array(losses), scale * (walls.position.astype(np.float64) - 0.5)


def test_training_statistics_agree_between_the_derived_and_the_finer_model(
    hops: tuple[HoppingParameters, Derived, Drive],
):
    fine, derived, drive = hops
    model = derived.parameters
    steps = (
        model.mean_step(model.push_velocity_m_s, drive.push_amplitude_v, drive.push_width_s),
        model.mean_step(model.pull_velocity_m_s, drive.pull_amplitude_v, drive.pull_width_s),
    )
    seeds = range(24)
    runs = {
        name: [_train(parameters, drive, steps, 100 * number + seed) for seed in seeds]
        for number, (name, parameters) in enumerate((("fine", fine), ("derived", model)), start=1)
    }
    assert np.mean([losses[-1] for losses, _ in runs["fine"]]) < 1.2 < 2.2 < runs["fine"][0][0][0]
    features: dict[str, Callable[[NDArray[np.float64], NDArray[np.float64]], float]] = {
        "loss in the middle": lambda losses, _: losses[25:35].mean(),
        "loss at the end": lambda losses, _: losses[-10:].mean(),
        "variance of weights": lambda _, weights: weights.var(),
        # These pixels are dark in every image: no gradient moves their weights.
        "noise": lambda _, weights: weights.reshape(64, 10)[[0, 32, 39]].var(),
    }
    for name, feature in features.items():
        a, b = ([feature(*run) for run in runs[model_name]] for model_name in ("fine", "derived"))
        # Welch's t with about 46 degrees of freedom, a false alarm in 5000.
        assert stats.ttest_ind(a, b, equal_var=False).pvalue > 2e-4, name
        # And a difference that would matter would be seen.
        assert math.hypot(stats.sem(a), stats.sem(b)) < 0.1 * np.mean(b), name
