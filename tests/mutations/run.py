"""Break each guard on purpose, one at a time in a copy of the tree, and see that the tests named for it fail.

    make mutations
    python tests/mutations/run.py [--only NAME ...] [--list] [--json FILE]

Exit status 0: every mutation was killed. 1: one survived, an entry is stale, or a named test fails unmutated too.
A test that hangs counts as one that fails, and the table says so.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from named_mutations import ROOT, Mutation, apply, read, staleness
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

AT_ONCE: Final = 2
"""Mutations tried at the same time: fault tests keep time, and continuous integration has two cores."""

TEST_TIMEOUT_S: Final = 30
"""Time given to one test, seconds: one that takes longer hangs."""

MUTATION_TIMEOUT_S: Final = 120
"""Time given to all tests of one mutation, seconds."""

BASELINE_TIMEOUT_S: Final = 900
"""Time given to all named tests without a mutation, seconds."""

_HERE: Final = Path(__file__).resolve().parent
_LOG_COLUMNS: Final = 160
_SHOWN: Final = 200  # letters of a remark in the table; the file that --json writes has all
_COLOURS: Final = {"killed": "green", "survived": "bold red", "stale": "bold red", "broken": "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one mutation."""

    name: str
    """The mutation."""
    outcome: str
    """`killed`, `survived`, `stale`, or `broken` where the tests did not run as they should."""
    remark: str
    """Why it is not killed, or that a test hung; empty otherwise."""
    seconds: float
    """How long it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one pytest run told."""

    failed: dict[str, bool]
    """Whether each test that ran failed."""
    hung: bool
    """Whether a test, or all of it, ran out of time."""
    trouble: str
    """Why nothing can be concluded; empty if something can."""


def snapshot(root: Path, target: Path) -> None:
    """Copy the files that git knows, and those it does not ignore, as they are now."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listing = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout
    for name in filter(None, listing.decode().split("\0")):
        source = root / name
        if source.is_file() and not source.is_symlink():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def fresh(pristine: Path, slot: Path) -> None:
    """Lay a copy of the snapshot out in a folder, and nothing else."""
    if slot.exists():
        shutil.rmtree(slot)
    shutil.copytree(pristine, slot)


def run_tests(tree: Path, tests: Sequence[str], timeout_s: float) -> Run:
    """Run tests in a copy of the repository, with this interpreter and with the packages of that copy."""
    told = tree.parent / f"{tree.name}.json"
    told.unlink(missing_ok=True)
    environment = {
        **os.environ,
        # Before the folder that the packages are installed from.
        "PYTHONPATH": os.pathsep.join((str(tree), str(tree / "tests" / "mutations"))),
        # Compiled files survive from copy to copy; both kinds are checked against the time and size of their source.
        "PYTHONPYCACHEPREFIX": str(tree.parent / "compiled"),
        "NUMBA_CACHE_DIR": str(tree.parent / "compiled"),
        "MUTATION_WITNESS": str(told),
    }
    flags = ("-q", "-p", "witness", "-p", "no:cacheprovider", f"--timeout={TEST_TIMEOUT_S}", f"--rootdir={tree}")
    command = (sys.executable, "-m", "pytest", *flags, *tests)
    log = _log(tree)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return Run(failed={}, hung=True, trouble="")
        finally:
            _end(process)
    witness: dict[str, Any] = json.loads(told.read_text("utf-8")) if told.exists() else {}
    # Its exit status tells less: a test that failed may have left a bench open, which then ends the process as it must.
    if not witness.get("failed"):
        return Run(failed={}, hung=False, trouble=f"pytest ended with {status}: {_last_lines(log)}")
    strangers = [file for file in witness["origins"].values() if not Path(file).is_relative_to(tree.resolve())]
    if strangers:
        return Run(failed={}, hung=False, trouble=f"{strangers[0]} was imported and not the copy")
    return Run(failed=witness["failed"], hung=bool(witness["timed_out"]), trouble="")


def judge(mutation: Mutation, run: Run) -> tuple[str, str]:
    """Return the outcome and a remark: every named test must have failed, in one of its cases at least."""
    if run.trouble:
        return "broken", run.trouble
    if not run.failed:
        return ("killed", "hung") if run.hung else ("broken", "no test ran")
    passed = [node for node in mutation.tests if not _has_failed(node, run.failed)]
    if passed:
        return "survived", f"passes: {', '.join(passed)}"
    return "killed", "a test hung" if run.hung else ""


def attempt(mutation: Mutation, pristine: Path, slot: Path, number: int) -> Verdict:
    """Try one mutation in a folder of its own."""
    began_s = time.monotonic()
    if stale := staleness(mutation, pristine):
        return Verdict(name=mutation.name, outcome="stale", remark=stale, seconds=0.0)
    fresh(pristine, slot)
    apply(mutation, slot)
    # Another time than any other version of this file, so that no compiled one is taken for it.
    os.utime(slot / mutation.file, (number, number))
    outcome, remark = judge(mutation, run_tests(slot, mutation.tests, MUTATION_TIMEOUT_S))
    return Verdict(name=mutation.name, outcome=outcome, remark=remark, seconds=time.monotonic() - began_s)


def fails_unmutated(mutations: Iterable[Mutation], pristine: Path, slot: Path) -> dict[str, str]:
    """Run every named test once without a mutation; return those that prove nothing, and why."""
    fresh(pristine, slot)
    tests = sorted({node for mutation in mutations for node in mutation.tests if not staleness(mutation, pristine)})
    if not tests:
        return {}
    run = run_tests(slot, tests, BASELINE_TIMEOUT_S)
    if not run.failed:
        return dict.fromkeys(tests, run.trouble or "hangs without a mutation")
    again = [node for node in tests if _has_failed(node, run.failed)]
    # Some of them keep time, and the machine may have been busy: once more, but no more.
    second = run_tests(slot, again, BASELINE_TIMEOUT_S).failed if again else {}
    useless = {node: "was not run" for node in tests if not any(_belongs(ran, node) for ran in run.failed)}
    for node in again:
        if _has_failed(node, second) or not any(_belongs(ran, node) for ran in second):
            useless[node] = "fails without a mutation too"
    return useless


def try_all(mutations: Sequence[Mutation], console: Console) -> list[Verdict]:
    """Run the named tests as they are and then against each mutation; return the verdicts in order."""
    with tempfile.TemporaryDirectory(prefix="mutations-") as name, Progress(console=console, transient=True) as bar:
        folder = Path(name)
        pristine = folder / "pristine"
        snapshot(ROOT, pristine)
        slots: SimpleQueue[Path] = SimpleQueue()
        for place in range(AT_ONCE):
            slots.put(folder / f"slot{place}")
        task = bar.add_task("without a mutation", total=len(mutations) + 1)
        useless = fails_unmutated(mutations, pristine, folder / "slot0")
        bar.update(task, advance=1, description="mutations")

        def one(number: int, mutation: Mutation) -> Verdict:
            if said := [f"{node} {useless[node]}" for node in mutation.tests if node in useless]:
                return Verdict(name=mutation.name, outcome="broken", remark=said[0], seconds=0.0)
            slot = slots.get()
            try:
                return attempt(mutation, pristine, slot, number)
            finally:
                slots.put(slot)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            futures = [pool.submit(one, 1_000_000_000 + place, each) for place, each in enumerate(mutations)]
            try:
                for future in as_completed(futures):
                    _tell(future.result(), console)
                    bar.update(task, advance=1)
            except BaseException:
                # Ctrl-C waits for those that have begun, not for all the others.
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result() for future in futures]


def shown(mutations: Sequence[Mutation], verdicts: Sequence[Verdict]) -> Table:
    """Return the table of verdicts."""
    table = Table("guard", "rows", "mutation", "outcome", "s", "remark", title="Named mutations")
    by_name = {verdict.name: verdict for verdict in verdicts}
    for mutation in sorted(mutations, key=lambda each: each.guard):
        verdict = by_name[mutation.name]
        colour = _COLOURS[verdict.outcome]
        rows = " ".join(map(str, mutation.rows))
        outcome = f"[{colour}]{verdict.outcome}[/]"
        table.add_row(
            mutation.guard, rows, mutation.name, outcome, f"{verdict.seconds:.1f}", escape(verdict.remark[:_SHOWN])
        )
    return table


def listed(mutations: Sequence[Mutation]) -> Table:
    """Return the table of what there is."""
    table = Table("guard", "rows", "mutation", "why")
    for mutation in sorted(mutations, key=lambda each: each.guard):
        table.add_row(mutation.guard, " ".join(map(str, mutation.rows)), mutation.name, escape(mutation.why))
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(description="Break each guard on purpose and see that its tests fail.")
    parser.add_argument("--only", metavar="NAME", action="append", help="only this mutation; may be given again")
    parser.add_argument("--list", action="store_true", help="list the mutations and run nothing")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the verdicts to a file too")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else _LOG_COLUMNS)
    # A shell starts what runs in the background deaf to Ctrl-C, and tests of Ctrl-C would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    mutations = read()
    if options.only:
        if unknown := set(options.only) - {mutation.name for mutation in mutations}:
            parser.error(f"there is no mutation {', '.join(sorted(unknown))}; --list shows them")
        mutations = tuple(mutation for mutation in mutations if mutation.name in options.only)
    if options.list:
        console.print(listed(mutations))
        return 0
    verdicts = try_all(mutations, console)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=2) + "\n", "utf-8")
    console.print(shown(mutations, verdicts))
    killed = sum(verdict.outcome == "killed" for verdict in verdicts)
    console.print(f"{killed} of {len(verdicts)} killed")
    return 0 if killed == len(verdicts) else 1


def _tell(verdict: Verdict, console: Console) -> None:
    """Tell a verdict at once: in a log each, on a terminal those that the table alone would tell late."""
    if verdict.outcome != "killed" or not console.is_terminal:
        remark = escape(verdict.remark[:_SHOWN])
        console.print(f"{verdict.outcome} in {verdict.seconds:.0f} s: {verdict.name} {remark}")


def _has_failed(node: str, failed: dict[str, bool]) -> bool:
    return any(is_failed for ran, is_failed in failed.items() if _belongs(ran, node))


def _belongs(ran: str, node: str) -> bool:
    return ran == node or ran.startswith(f"{node}[")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the run and every process of its group."""
    with contextlib.suppress(ProcessLookupError):
        # Programs that a test started and lost are of the group too, and outlive it.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _log(tree: Path) -> Path:
    return tree.with_name(f"{tree.name}.log")


def _last_lines(log: Path) -> str:
    return " / ".join(log.read_text("utf-8", "replace").strip().splitlines()[-4:])


if __name__ == "__main__":
    sys.exit(main())
