"""Does this installation work, and if not, what mends it."""

import importlib
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlparse

import msgspec

from drivers import HilError, load_bench
from drivers.inspection import Inspection, inspect_bench

DISTRIBUTION = "domainwall-hil"
PACKAGES = ("hil", "drivers", "sim_instruments", "calibration", "tui")
PLUGINS = ("pyvisa_domainwall", "pyvisa_guard")
MONITOR_GROUP = "domainwall_hil.monitor"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one check."""

    name: str
    ok: bool
    detail: str
    """What was found."""
    remedy: str = ""
    """What to do if it is not in order."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of all checks."""

    ok: bool
    checks: list[Check]
    instruments: list[Inspection]
    """Each instrument of the bench."""


def diagnose(
    bench: Path | None,
    *,
    self_test: bool = False,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _text: None,
) -> Diagnosis:
    """Run every check; none of them moves a wall or switches an output.

    Args:
        bench: bench file, or None for the simulated bench that ships.
        self_test: whether instruments run their self tests too, except where an output is on.
        progress: told how many instruments were looked at, how many there are, and the next one's name.
    """
    checks = [_python(), *(_ownership(name) for name in (*PACKAGES, *PLUGINS)), _numerics(), _monitor()]
    bench_check, instruments = _bench(bench, self_test=self_test, progress=progress)
    checks.append(bench_check)
    is_ok = all(check.ok for check in checks) and all(instrument.ok for instrument in instruments)
    return Diagnosis(ok=is_ok, checks=checks, instruments=list(instruments))


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check(name="python", ok=sys.version_info >= (3, 11), detail=version, remedy="install Python 3.11 or newer")


def _ownership(name: str) -> Check:
    """Check that an import name belongs to this distribution and to no other."""
    check = f"import {name}"
    others = [owner for owner in importlib.metadata.packages_distributions().get(name, []) if owner != DISTRIBUTION]
    if others:
        remedy = f"pip uninstall {' '.join(sorted(set(others)))}, then reinstall {DISTRIBUTION}"
        return Check(name=check, ok=False, detail=f"also owned by {', '.join(sorted(set(others)))}", remedy=remedy)
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return Check(name=check, ok=False, detail="not found", remedy=f"pip install {DISTRIBUTION} again")
    origin = Path(spec.origin)
    if not _belongs(origin):
        remedy = "a file or folder of that name shadows the package: run from another directory, or remove it"
        return Check(name=check, ok=False, detail=f"comes from {origin}", remedy=remedy)
    return Check(name=check, ok=True, detail=str(origin))


def _belongs(origin: Path) -> bool:
    try:
        distribution = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return False
    direct = json.loads(distribution.read_text("direct_url.json") or "{}")
    if direct.get("dir_info", {}).get("editable"):
        root = Path(unquote(urlparse(direct["url"]).path))
        return origin.resolve().is_relative_to(root.resolve())
    return any(Path(str(file.locate())).resolve() == origin.resolve() for file in distribution.files or [])


def _numerics() -> Check:
    return _attempt(
        "torch, torchvision, numba",
        _numeric_versions,
        "reinstall torch and torchvision from one index, as the README says",
    )


def _numeric_versions() -> str:
    import numba  # start-up time: only when asked for
    import torch
    import torchvision

    return f"torch {torch.__version__}, torchvision {torchvision.__version__}, numba {numba.__version__}"


def _monitor() -> Check:
    points = importlib.metadata.entry_points(group=MONITOR_GROUP)
    found = ", ".join(point.value for point in points)
    return Check(
        name="monitor",
        ok=bool(found),
        detail=found or "no monitor registered",
        remedy=f"pip install {DISTRIBUTION} again",
    )


def _bench(
    path: Path | None, *, self_test: bool, progress: Callable[[int, int, str], None]
) -> tuple[Check, tuple[Inspection, ...]]:
    name = f"bench {path or 'default'}"
    try:
        config = load_bench(path)
        instruments = inspect_bench(config, self_test=self_test, progress=progress)
    except HilError as error:
        detail = "; ".join([str(error), *getattr(error, "__notes__", [])])
        return Check(name=name, ok=False, detail=detail, remedy="correct the file as the message says"), ()
    there = sum(instrument.identity is not None for instrument in instruments)
    detail = f"{there} of {len(instruments)} instruments answer through the library {config.library or 'PyVISA chose'}"
    return Check(
        name=name, ok=there == len(instruments), detail=detail, remedy="see the instruments below"
    ), instruments


def _attempt(name: str, action: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name=name, ok=True, detail=action())
    except (ImportError, OSError, RuntimeError) as error:
        return Check(name=name, ok=False, detail=f"{type(error).__name__}: {error}", remedy=remedy)
