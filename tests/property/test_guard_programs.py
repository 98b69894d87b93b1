"""Row 34 of the fault list: whatever is written, no instrument is seen beyond the limits of the bench file.

Random programs of messages go through the guard to the simulated instruments: settings inside and outside the limits,
long and short forms, compound messages with path memory, lists, blocks, words for numbers, broken text, triggers, and
settings that somebody else left before. The judge is the simulator: its ledger and its twins' own answers, asked past
the guard.

The few programs that every test run tries are made smaller where one fails. The hunt of 100 000 (`-m slow -s`; another
number by DOMAINWALL_PROGRAMS) takes minutes and says what it saw; its programs come from a seed.
"""

import os
import random

import numba
import pytest
from guard_programs.author import program
from guard_programs.limits import QUARRY, PulseLimits
from guard_programs.rig import Rig
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PROGRAMS = 300
HUNT = 100_000
"""Programs of a long hunt, all models together."""
BATCH = 500
"""Programs on one simulated bench, after which another one is built."""
SEED = 34


@pytest.fixture(autouse=True)
def one_thread():
    """Keep to one processor: threads that wait for each other would take longer than the pulses."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


def hunt(model, folder, count, *, is_guarded=True):
    """Run programs from the seed and return what was seen; raise AssertionError at the first beyond a limit."""
    seen = None
    for start in range(0, count, BATCH):
        rig = Rig(model, folder / f"{model}-{start}", is_guarded=is_guarded)
        rig.seen = seen = rig.seen if seen is None else seen
        for number in range(start, min(start + BATCH, count)):
            rig.run(program(QUARRY[model].words, random.Random(f"{SEED} {model} {number}")))
        rig.close()
    return seen


def assert_it_was_worth_it(model, seen):
    """See that the programs went far enough for the judge to see something, and that the guard had to refuse much."""
    assert seen["fired" if isinstance(QUARRY[model].limits, PulseLimits) else "on"] > seen["programs"] / 20, seen
    assert seen["refused"] > seen["programs"] / 2, seen


@pytest.mark.parametrize("model", QUARRY)
def test_no_program_brings_an_instrument_beyond_its_limits(model, tmp_path):
    rig = Rig(model, tmp_path)
    programs = st.randoms(use_true_random=False).map(lambda pick: program(QUARRY[model].words, pick))

    @settings(max_examples=PROGRAMS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(programs)
    def judged(messages):
        rig.run(messages)

    judged()
    assert rig.seen["programs"] >= PROGRAMS
    assert_it_was_worth_it(model, rig.seen)
    rig.close()


@pytest.mark.parametrize("model", QUARRY)
def test_without_the_guard_the_judge_sees_one_that_does(model, tmp_path):
    with pytest.raises(AssertionError, match="went beyond its limits"):
        hunt(model, tmp_path, 200, is_guarded=False)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("model", QUARRY)
def test_no_program_of_a_long_hunt_does(model, tmp_path):
    count = -(-int(os.environ.get("DOMAINWALL_PROGRAMS", HUNT)) // len(QUARRY))
    seen = hunt(model, tmp_path, count)
    print(f"\n{model}: {dict(seen)}")
    assert seen["programs"] == count
    assert_it_was_worth_it(model, seen)
