"""Figures as SVG that stands in a page: its colours are those of the page, light or dark, and it refers to nothing."""

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from calibration.analysis.findings import Column, Figure, Mark, Series
from calibration.report_page.numbers import unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

COLOURS: Final = ("#2a6fdb", "#d9600a", "#12805c", "#8a4fd3", "#c2326b", "#7a6a00")
"""Colours of series on paper. In the page they become `var(--c0)` and so on."""
_GUIDE, _INK, _GRID = "#8a8f98", "#14161a", "#d5d8dd"
_VARIABLES = {
    **{colour: f"var(--c{index})" for index, colour in enumerate(COLOURS)},
    _GUIDE: "var(--guide)",
    _INK: "var(--ink)",
    _GRID: "var(--grid)",
}

_SIZE = (5.6, 3.5)
_MAP_SIZE = (4.6, 3.5)
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": _GUIDE,
    "axes.facecolor": "none",
    "axes.formatter.use_mathtext": False,
    "axes.grid": True,
    "axes.labelcolor": _INK,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "grid.color": _GRID,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.labelcolor": _INK,
    "svg.fonttype": "none",
    # A label may hold whatever an instrument said, dollars too.
    "text.parse_math": False,
    "text.color": _INK,
    "xtick.color": _GUIDE,
    "xtick.labelcolor": _INK,
    "ytick.color": _GUIDE,
    "ytick.labelcolor": _INK,
}
_MOST_CELLS = 64
_FEWEST_FOR_MAP = 24
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))


def draw(figure: Figure, name: str) -> str:
    """Return a figure as an `svg` element.

    Args:
        figure: what to draw.
        name: tells its inner names from those of the other figures of the page.
    """
    return _svg(lambda canvas: _draw(canvas, figure), _SIZE, name)


def draw_map(column: Column, devices: NDArray[np.uint32], name: str) -> str | None:
    """Return one number of every device as an `svg` element, over the array or, of few devices, by device number.

    Args:
        column: the number.
        devices: device numbers, shape (D,).
        name: tells its inner names from those of the other figures of the page.
    """
    known = np.isfinite(column.values)
    if known.sum() < 2 or not np.ptp(column.values[known]) > 0:
        return None
    numbers, values = devices[known].astype(np.int64), column.values[known]
    if len(numbers) < _FEWEST_FOR_MAP:
        figure = Figure(
            title="",
            x_label="device",
            y_label=_with_unit(column),
            series=(Series(label="", mark=Mark.POINTS, x=numbers.astype(np.float64), y=values),),
        )
        return _svg(lambda canvas: _draw(canvas, figure), _MAP_SIZE, name)
    return _svg(lambda canvas: _draw_cells(canvas, column, numbers, values), _MAP_SIZE, name)


def save_png(figure: Figure, path: Any) -> None:
    """Write a figure as a picture on white, for a slide."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    with rc_context(_STYLE):
        canvas = Canvas(figsize=_SIZE, layout="constrained", facecolor="white")
        FigureCanvasAgg(canvas)
        _draw(canvas, figure)
        canvas.savefig(path, dpi=110, format="png")


def _svg(fill: Any, size: tuple[float, float], name: str) -> str:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as Canvas

    with rc_context({**_STYLE, "svg.hashsalt": name}):
        canvas = Canvas(figsize=size, layout="constrained")
        FigureCanvasSVG(canvas)
        fill(canvas)
        buffer = io.StringIO()
        nothing = {"Creator": None, "Date": None, "Format": None, "Type": None}
        canvas.savefig(buffer, format="svg", metadata=nothing)
    return _for_page(buffer.getvalue(), name)


def _for_page(text: str, name: str) -> str:
    """Return the `svg` element alone, without comments or names of other places, in the colours of the page."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    # Rules of a style element would hold for the whole page, which has its own.
    text = re.sub(r"<style.*?</style>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href=", "href=")
    # Inner names are numbered alike in every figure.
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    text = re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'class="figure" aria-hidden="true"', text, count=1)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 var(--font)", text)
    # A hundredth of a point is not seen.
    return re.sub(r"(\d+\.\d\d)\d+", r"\1", text)


def _draw(canvas: "Canvas", figure: Figure) -> None:
    axes = canvas.add_subplot()
    if figure.x_log:
        axes.set_xscale("log")
    if figure.y_log:
        axes.set_yscale("log")
    for one in figure.series:
        _add(axes, one, bars_below=figure.y_log)
    axes.set_xlabel(unit_of(figure.x_label))
    axes.set_ylabel(unit_of(figure.y_label))
    _format(axes, figure)
    labelled = sum(bool(one.label) for one in figure.series)
    if labelled > 3:
        canvas.legend(ncols=min(labelled, 4), loc="outside lower center")
    elif labelled:
        axes.legend(loc="best")


def _add(axes: "Axes", one: Series, *, bars_below: bool) -> None:
    colour = _GUIDE if one.colour < 0 else COLOURS[one.colour % len(COLOURS)]
    label = one.label or None
    match one.mark:
        case Mark.BARS:
            axes.stairs(one.y, one.x, fill=True, color=colour, alpha=0.35, label=label, linewidth=0)
            axes.stairs(one.y, one.x, color=colour, linewidth=1.0)
            axes.margins(y=0.05)
        case Mark.POINTS:
            marker = _MARKERS[one.colour % len(_MARKERS)]
            size = 4.0 if len(one.x) <= 60 else 2.2
            if one.low is not None and one.high is not None:
                axes.errorbar(
                    one.x,
                    one.y,
                    yerr=np.maximum(np.stack([one.y - one.low, one.high - one.y]), 0.0),
                    fmt=marker,
                    color=colour,
                    markersize=size,
                    elinewidth=1.1,
                    capsize=2,
                    label=label,
                )
            else:
                alpha = 1.0 if len(one.x) <= 300 else 0.45
                axes.plot(
                    one.x, one.y, marker, color=colour, markersize=size, markeredgewidth=0, alpha=alpha, label=label
                )
        case Mark.LINE | Mark.STEPS:
            style = "steps-post" if one.mark is Mark.STEPS else "default"
            axes.plot(one.x, one.y, color=colour, linewidth=1.4, drawstyle=style, label=label)
            if one.low is not None and one.high is not None:
                low = np.where(one.low > 0, one.low, np.nan) if bars_below else one.low
                step = "post" if one.mark is Mark.STEPS else None
                axes.fill_between(one.x, low, one.high, color=colour, alpha=0.18, linewidth=0, step=step)


def _format(axes: "Axes", figure: Figure) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

    for axis, is_log in ((axes.xaxis, figure.x_log), (axes.yaxis, figure.y_log)):
        if is_log:
            low, high = sorted(axis.get_view_interval())
            if low > 0 and high / low > 30:
                axis.set_major_locator(LogLocator(numticks=7))
                axis.set_major_formatter(FuncFormatter(_power))
                axis.set_minor_formatter(NullFormatter())
            else:
                axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axis.set_minor_formatter(NullFormatter())
        else:
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
            formatter = ScalarFormatter(useOffset=False)
            formatter.set_powerlimits((-3, 4))
            axis.set_major_formatter(formatter)


def _power(value: float, _: int) -> str:
    exponent = round(float(np.log10(value))) if value > 0 else 0
    return "1" if exponent == 0 else "10" if exponent == 1 else f"10{str(exponent).translate(_SUPERSCRIPT)}"


def _draw_cells(canvas: "Canvas", column: Column, numbers: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    """Draw devices row by row of as many columns as make the array nearly square; cells of several show their mean."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    width = 1 << int(np.ceil(np.log2(np.sqrt(int(numbers.max()) + 1))))
    step = -(-width // _MOST_CELLS)
    row, place = numbers // width // step, numbers % width // step
    shape = (int(row.max()) + 1, -(-width // step))
    cell = row * shape[1] + place
    count = np.bincount(cell, minlength=shape[0] * shape[1])
    total = np.bincount(cell, values, minlength=shape[0] * shape[1])
    with np.errstate(invalid="ignore"):
        mean = (total / np.where(count > 0, count, np.nan)).reshape(shape)
    axes = canvas.add_subplot()
    axes.grid(visible=False)
    low, high = np.quantile(values, [0.01, 0.99])
    extent = (0, shape[1] * step, shape[0] * step, 0)
    picture = axes.imshow(
        mean, cmap="viridis", vmin=low, vmax=high, extent=extent, interpolation="nearest", aspect="auto"
    )
    axes.set_xlabel(f"device number modulo {width}")
    axes.set_ylabel(f"device number / {width}")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    bar = canvas.colorbar(picture, ax=axes, label=_with_unit(column), extend="both")
    formatter = ScalarFormatter(useOffset=False)
    formatter.set_powerlimits((-3, 4))
    bar.formatter = formatter
    bar.update_ticks()
    bar.outline.set_visible(False)


def _with_unit(column: Column) -> str:
    return column.label if column.unit == "1" else f"{column.label} / {unit_of(column.unit)}"


def maps_of(columns: Sequence[Column], most: int = 6) -> list[Column]:
    """Return the columns worth a map: those with different values, the first few."""
    return [
        one for one in columns if np.isfinite(one.values).sum() >= 2 and np.ptp(one.values[np.isfinite(one.values)])
    ][:most]
