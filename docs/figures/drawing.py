"""What the figures have in common: sizes, colours that colour-blind readers tell apart, reproducible files."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

IMAGES = Path(__file__).parent.parent / "images" / "physics"

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, the colours that print well first."""
INK = "#222222"
FAINT = "#888888"


def use_style() -> None:
    """Set fonts, lines and colours."""
    mpl.use("Agg")
    plt.rcParams.update(
        {
            "font.size": 9,
            "axes.titlesize": 9,
            "axes.labelsize": 9,
            "legend.fontsize": 8,
            "legend.frameon": False,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "axes.linewidth": 0.7,
            "axes.edgecolor": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": mpl.cycler(color=COLOURS),
            "lines.linewidth": 1.4,
            "lines.markersize": 3.5,
            "errorbar.capsize": 1.5,
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "savefig.dpi": 165,
            "mathtext.fontset": "dejavusans",
        }
    )


def panel_name(axes, letter: str, title: str = "") -> None:
    """Write (a), (b), ... and perhaps a title above a panel's upper left corner."""
    axes.set_title(f"$\\bf{{({letter})}}$  {title}", loc="left")


def save(figure: Figure, name: str) -> Path:
    """Write one figure and return where."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"{name}.png"
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
    return path
