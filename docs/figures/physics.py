"""Draw the figures of docs/physics.md: `python docs/figures/physics.py [NAME]...`.

Everything is simulated anew with fixed seeds; the files are the same each time on one machine.
"""

import sys

import fano
import heating
import histograms
import switching
import trajectories
import velocity
from drawing import use_style

FIGURES = {
    "velocity": velocity.draw,
    "displacements": histograms.draw,
    "switching": switching.draw,
    "trajectories": trajectories.draw,
    "fano": fano.draw,
    "heating": heating.draw,
}


def main(names: list[str]) -> int:
    """Draw the named figures, or all."""
    unknown = [name for name in names if name not in FIGURES]
    if unknown:
        print(f"no figure is called {', '.join(unknown)}: choose from {', '.join(FIGURES)}", file=sys.stderr)
        return 2
    use_style()
    for name in names or FIGURES:
        print(FIGURES[name]())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
