"""How fast a staircase goes: `python benchmarks/characterization.py [--profile]`.

* A thousand devices through a thousand steps of one pulse behind the array controller. Goal: at most 60 s on two cores.
* Every wired device through 200 steps by generator, switch and meter, against the time that the messages themselves
  take: all of it that is spent inside the VISA library, guard and simulated instruments included. Goal: at most 1.5.
"""

import argparse
import cProfile
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from calibration.characterize import Access, Plan, characterize, plan_experiment
from calibration.protocols import Route, Staircase
from calibration.shots import ShotStore
from drivers import Bench, load_bench
from drivers.guard.library import GuardVisaLibrary

DEVICES, STEPS = 1000, 1000
WIRED, PULSES = 10, 200


def main() -> None:
    """Measure both routes and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="store_true", help="say where the time goes, on standard error")
    profiled = parser.parse_args().profile
    with tempfile.TemporaryDirectory() as folder:
        # Compiled loops are loaded before the clock starts.
        _run(Path(folder) / "first", Access(devices=4), steps=2)
        array = _run(Path(folder) / "array", Access(devices=DEVICES), steps=STEPS, profiled=profiled)
        wired = _run(Path(folder) / "wired", Access(route=Route.BENCH, devices=WIRED), steps=PULSES, profiled=profiled)
    sys.stdout.write(json.dumps({"array": array, "bench": wired}, indent=2) + "\n")


def _run(path: Path, access: Access, *, steps: int, profiled: bool = False) -> dict[str, float]:
    protocol = Staircase(width_s=1e-7, pulses=1, steps=steps // 2, cycles=1)
    inside = _Inside()
    with Bench.open(load_bench()) as bench:
        plan = plan_experiment(bench, protocol, access)
        profile = cProfile.Profile()
        if profiled:
            profile.enable()
        with ShotStore.create(path, plan.origin) as store, inside:
            began_s = time.perf_counter()
            shots = len(characterize(bench, plan, store).experiment.shots)
            seconds = time.perf_counter() - began_s
        profile.disable()
        if profiled:
            pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(15)
        messages = sum(status.exchanges for status in bench.statuses())
    return {
        "devices": _devices(plan),
        "steps": steps,
        "seconds": round(seconds, 3),
        "shots": shots,
        "messages": messages,
        "messages_seconds": round(inside.seconds, 3),
        "ratio": round(seconds / inside.seconds, 3),
    }


def _devices(plan: Plan) -> int:
    return sum(len(group) for group in plan.groups)


class _Inside:
    """Adds up the time spent inside the VISA library."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._own: dict[str, Callable[..., Any]] = {}

    def __enter__(self) -> None:
        for name in ("write", "read"):
            self._own[name] = getattr(GuardVisaLibrary, name)
            setattr(GuardVisaLibrary, name, self._timed(self._own[name]))

    def __exit__(self, *_exc: object) -> None:
        for name, own in self._own.items():
            setattr(GuardVisaLibrary, name, own)

    def _timed(self, own: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            began_s = time.perf_counter()
            try:
                return own(*arguments)
            finally:
                self.seconds += time.perf_counter() - began_s

        return timed


if __name__ == "__main__":
    main()
