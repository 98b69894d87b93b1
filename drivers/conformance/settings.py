"""Clauses P and S: identity, pulse shapes, reset, selection."""

import numpy as np

from drivers import scpi
from drivers.conformance.controller import COMMAND_ERROR, Controller, Deviation, Untried
from drivers.conformance.outcome import Check

_SHAPES: tuple[str, ...] = ("PULS:PUSH:AMPL", "PULS:PUSH:WIDT", "PULS:PULL:AMPL", "PULS:PULL:WIDT")
_RESET: dict[str, float] = dict(zip(_SHAPES, (1.0, 1e-7, 1.0, 1e-7), strict=True))
_TOLERANCE = 1e-3


def _identity(controller: Controller) -> str:
    identity = scpi.parse_identity(controller.ask("*IDN?"))
    if identity.model != "DWA-1":
        raise Deviation(f"the second field of *IDN? is {identity.model!r}, not 'DWA-1'")
    if (size := controller.size()) < 1:
        raise Deviation(f"ARR:SIZE? answers {size}")
    return f"{size} devices"


def _shapes(controller: Controller) -> None:
    wanted: dict[str, float] = dict(zip(_SHAPES, (0.75, 5e-8, 1.25, 2.5e-7), strict=True))
    for header, value in wanted.items():
        controller.accepts(f"{header} {value!r}")
    _compare(controller, wanted, "was set")
    for header, ends in zip(_SHAPES, ((0.1, 5), (1e-9, 1e-5)) * 2, strict=True):
        for value in ends:
            controller.accepts(f"{header} {value!r}")
            _compare(controller, {header: value}, "was set")


def _compare(controller: Controller, wanted: dict[str, float], why: str) -> None:
    for header, value in wanted.items():
        if abs((found := controller.real(f"{header}?")) - value) > _TOLERANCE * value:
            raise Deviation(f"{header}? answers {found:g} where {value:g} {why}")


def _ranges(controller: Controller) -> None:
    controller.accepts("*RST")
    amplitudes = ("0.0999", "5.001", "-1", "0", "1E30")
    widths = ("0.9E-9", "1.001E-5", "-1E-7", "0", "1E30")
    for header, values in zip(_SHAPES, (amplitudes, widths) * 2, strict=True):
        for value in values:
            controller.refuses(f"{header} {value}", (-222,))
        for value in ("NAN", "INF", "9.9E37", "1E999", '"1"', "ABC"):
            controller.refuses(f"{header} {value}", (-222, -224, *COMMAND_ERROR))
    _compare(controller, _RESET, "was to stay, as every other value was refused")


def _output(controller: Controller) -> None:
    for state, shown in (("ON", 1), ("OFF", 0), ("1", 1), ("0", 0), ("on", 1), ("*RST", 0)):
        controller.accepts(state if state.startswith("*") else f"OUTP {state}")
        controller.expect("OUTP?", shown)
    for message in ("PULS:PUSH:AMPL 1", "PATT:CLE", "*CLS", "*OPC"):
        controller.accepts(message)
        controller.expect("OUTP?", 0)


def _reset(controller: Controller) -> None:
    for header in _SHAPES:
        controller.accepts(f"{header} {'2' if header.endswith('AMPL') else '3E-7'}")
    controller.load("ARR:SEL ", np.arange(1, dtype=np.uint32))
    controller.load("PATT:PUSH 0,", np.ones(1, np.uint8))
    controller.no_errors()
    controller.accepts("*RST")
    _compare(controller, _RESET, "is the value after *RST")
    controller.expect("ARR:SEL:COUN?", 0)
    controller.expect("OUTP?", 0)
    # The pattern is gone if one for other devices fits.
    controller.load("PATT:PULL 0,", np.ones(min(2, controller.size()), np.uint8))
    if controller.errors() and controller.size() > 1:
        raise Deviation("the pattern survived *RST")


def _selection(controller: Controller) -> None:
    size = controller.size()
    for devices in ([0], [size - 1, 0], list(range(min(size, 40)))[::-1]):
        chosen = np.unique(devices).size if size == 1 else len(devices)
        controller.load("ARR:SEL ", np.array(devices[:chosen], np.uint32))
        controller.no_errors()
        controller.expect("ARR:SEL:COUN?", chosen)


def _bad_selections(controller: Controller) -> None:
    size = controller.size()
    if size < 3:
        raise Untried("needs three devices")
    controller.load("ARR:SEL ", np.array([2, 0], np.uint32))
    controller.no_errors()
    for devices, code in (([1, 1], -224), ([0, size], -222), ([2**32 - 1], -222)):
        controller.load("ARR:SEL ", np.array(devices, np.uint32))
        found = controller.errors()
        if found != [code]:
            raise Deviation(f"selecting {devices} of {size} gave {found or 'no error'}, not {code}")
    controller.refuses(b"ARR:SEL #15abcde", (-161,))
    controller.expect("ARR:SEL:COUN?", 2)


def _selection_in_use(controller: Controller) -> None:
    if controller.size() < 2:
        raise Untried("needs two devices")
    controller.load("ARR:SEL ", np.array([0, 1], np.uint32))
    controller.load("PATT:SEL:PUSH ", np.ones(2, np.uint8))
    controller.no_errors()
    controller.refuses(b"ARR:SEL #14" + bytes(4), (-221,))
    controller.accepts("PATT:CLE")
    controller.accepts(b"ARR:SEL #14" + bytes(4))


CHECKS = (
    Check(clause="P1", title="identity and size", attempt=_identity),
    Check(clause="P2", title="pulse shapes read back", attempt=_shapes),
    Check(clause="P3", title="values out of range", attempt=_ranges),
    Check(clause="P4", title="output on and off", attempt=_output, needs_output=True),
    Check(clause="P5", title="reset", attempt=_reset),
    Check(clause="S1", title="selections", attempt=_selection),
    Check(clause="S2", title="selections that are refused", attempt=_bad_selections),
    Check(clause="S3", title="a selection that is in use", attempt=_selection_in_use),
)
"""In the order of the page."""
