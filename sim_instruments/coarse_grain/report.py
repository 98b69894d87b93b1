"""A derivation as a table for people and as tables for programs."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from sim_instruments.coarse_grain.derive import Derived
from sim_instruments.coarse_grain.experiment import Plan
from sim_instruments.coarse_grain.preset import table_hash


def derivation_table(derived: Derived, plan: Plan, fine: dict[str, Any], command: str) -> dict[str, Any]:
    """Return everything about a derivation that is not in the preset's wall itself.

    Args:
        derived: the outcome.
        plan: what was measured.
        fine: the finer model's `[sample.wall]`.
        command: that derived it.
    """
    over = asdict(derived.overdrive)
    over.pop("threshold_v")
    return {
        "command": command,
        "fine_sha256": table_hash(fine),
        "steps_depend": derived.steps_depend,
        "notes": list(derived.notes),
        "plan": asdict(plan),
        "law": {
            "indistinguishable": list(derived.law.indistinguishable),
            "criterion": {law: round(value, 1) for law, value in derived.law.criterion.items()},
        },
        "overdrive": over,
        "interval": {name: _rounded(asdict(one)) for name, one in derived.estimates.items()},
        "fine": fine,
    }


def print_derived(console: Console, derived: Derived) -> None:
    """Print parameters with their intervals, the law, the threshold's fit, and the notes."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("parameter", "measured", "95 % interval", "preset"):
        table.add_column(heading, justify="left" if heading == "parameter" else "right")
    for name, one in derived.estimates.items():
        preset = getattr(derived.parameters, name)
        table.add_row(name, f"{one.value:.4g}", f"{one.low:.4g} to {one.high:.4g}", f"{preset:.4g}")
    console.print(table)
    law, over = derived.law, derived.overdrive
    hops = f", hop_cv {law.hop_cv:.3g}" if law.law == "compound-poisson" else ""
    console.print(f"step law: {law.law}{hops}")
    others = [f"{name} {value:.1f}" for name, value in law.criterion.items() if value > 0]
    console.print(f"  Akaike's criterion above the best: {', '.join(others)}", highlight=False)
    if len(law.indistinguishable) > 1:
        console.print(f"  indistinguishable: {', '.join(law.indistinguishable)}")
    console.print(
        f"linear overdrive: chi square {over.chi_square:.3g} for {over.freedom}, p = {over.p_value:.2g}; means up to "
        f"{100 * over.largest_deviation:.2g} % off the line",
        highlight=False,
    )
    for note in derived.notes:
        console.print(f"note: {note}", highlight=False, markup=False)


def _rounded(numbers: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.6g}") for name, value in numbers.items()}
