"""Clauses M and E: messages, status and errors. Nothing here switches an output on."""

from contextlib import suppress

from drivers import scpi
from drivers.conformance.controller import AWKWARD, COMMAND_ERROR, EXECUTION_ERROR, Controller, Deviation, Untried
from drivers.conformance.outcome import Check

_QUEUE_AT_LEAST = 8
_TOO_MANY_ERRORS = 128
_NUMBERLESS = (*COMMAND_ERROR,)


def _keywords(controller: Controller) -> None:
    size = controller.ask("ARR:SIZE?")
    for spelling in ("ARRAY:SIZE?", "arr:size?", ":Arr:Size?", "ARRay:SIZe?", ":ARRAY:SIZE?"):
        controller.expect(spelling, size)
    for spelling in ("ARRA:SIZE?", "AR:SIZE?", "ARRAYS:SIZE?"):
        # A mute refusal: the question must not be answered, so only the queue is read.
        controller.refuses(spelling, (-113,))


def _paths(controller: Controller) -> None:
    controller.accepts("PULS:PUSH:AMPL 1.25;WIDT 2E-7;:PULS:PULL:AMPL 1.5")
    for query, value in (("PULS:PUSH:AMPL?", 1.25), ("PULS:PUSH:WIDT?", 2e-7), ("PULS:PULL:AMPL?", 1.5)):
        _near(controller, query, value)
    controller.accepts("PULS:PUSH:AMPL 1.25;*CLS;WIDT 3E-7")
    _near(controller, "PULS:PUSH:WIDT?", 3e-7)
    controller.accepts("")


def _near(controller: Controller, query: str, value: float) -> None:
    if abs((found := controller.real(query)) - value) > 1e-3 * value:
        raise Deviation(f"{query} answers {found:g} where {value:g} was set in one message of several commands")


def _joined_answers(controller: Controller) -> None:
    size = controller.ask("ARR:SIZE?")
    controller.expect("ARR:SIZE?;:OUTP?;*OPC?", f"{size};0;1")


def _unread_reply(controller: Controller) -> None:
    if not controller.has_end_marks:
        raise Untried("this interface does not mark the end of a message")
    controller.send("ARR:SIZE?")
    answer = controller.ask("*OPC?")
    if answer != "1":
        raise Deviation(f"the unread reply {answer!r} to ARR:SIZE? came as the answer to *OPC?")
    if -410 not in (found := controller.errors()):
        raise Deviation(f"a message before a reply was read gave {found or 'no error'}, not -410")


def _any_bytes_in_blocks(controller: Controller) -> None:
    size = controller.size()
    count = min(size, len(AWKWARD))
    for header in (f"#2{count:02d}", f"#3{count:03d}", f"#9{count:09d}"):
        controller.accepts(f"PATT:PUSH 0,{header}".encode("ascii") + AWKWARD[:count])
        controller.accepts("PATT:CLE")


def _bad_headers(controller: Controller) -> None:
    for header in (b"#A12", b"#F2", b"#2 5abcde", b"#3+05abcde", b"#4-100", b"#31_0abcdeabcde", b"#", b"#x", b"12"):
        controller.refuses(b"PATT:PUSH 0," + header + b";:PULS:PUSH:AMPL 2", _NUMBERLESS, allow_more=True)
        _load_nothing(controller)
        if abs(controller.real("PULS:PUSH:AMPL?") - 2) < 0.1:
            raise Deviation(f"what follows the block header {header.decode()} was executed")


def _load_nothing(controller: Controller) -> None:
    controller.refuses("PATT:TAG 1;:INIT", EXECUTION_ERROR, allow_more=True)
    controller.send("PATT:CLE")
    controller.errors()


def _wrong_lengths(controller: Controller) -> None:
    controller.refuses(b"PATT:PUSH 0,#12\x01\x01xx", _NUMBERLESS, allow_more=True)
    if not controller.has_end_marks:
        raise Untried("too long a block is refused; a raw socket does not mark the end of one that is too short")
    controller.refuses(b"PATT:PUSH 0,#14\x01\x01", (-161,), allow_more=True)
    controller.expect("*OPC?", 1)


def _no_error(controller: Controller) -> None:
    if (answer := controller.ask("SYST:ERR?")) != '0,"No error"':
        raise Deviation(f"an empty queue answers {answer!r}")
    controller.expect("SYST:ERR:NEXT?", '0,"No error"')
    controller.expect("SYST:ERR:COUN?", 0)


def _codes(controller: Controller) -> None:
    for message, codes in (
        ("NONSENSE", (-113,)),
        ("ARR:NONSENSE?", (-113,)),
        ("OUTP?X", range(-113, -99)),
        ("*CLS 1", (-108,)),
        ("PATT:CLE 1", (-108,)),
        ("PULS:PUSH:AMPL", (-109,)),
        ("PULS:PUSH:AMPL 1,2", (-108,)),
        ("PULS:PUSH:AMPL #11a", (-104, -121)),
        ("PULS:PUSH:AMPL 1.2.3", (-104, -121)),
        ("OUTP PERHAPS", (-104, -121, -224)),
        ("ARR:SEL 5", (-161, -104)),
        ("PATT:PUSH 0,5", (-161, -104)),
        ("PULS:PUSH:AMPL 99", (-222,)),
    ):
        controller.refuses(message, codes)


def _queue(controller: Controller) -> None:
    for message in ("PULS:PUSH:AMPL 99", "NONSENSE", "PULS:PUSH:AMPL"):
        controller.send(message)
    controller.expect("SYST:ERR:COUN?", 3)
    found = [scpi.parse_error(controller.ask("SYST:ERR?")).code for _ in range(2)]
    if found != [-222, -113]:
        raise Deviation(f"errors -222, -113, -109 came out as {found[0]}, {found[1]}, ...: the oldest comes first")
    controller.expect("SYST:ERR:COUN?", 1)
    controller.send("*CLS")
    controller.expect("SYST:ERR:COUN?", 0)


def _overflow(controller: Controller) -> str:
    for _ in range(_TOO_MANY_ERRORS):
        controller.send("NONSENSE")
    found = controller.errors()
    depth = len(found)
    if depth < _QUEUE_AT_LEAST:
        raise Deviation(f"the queue holds {depth} entries only")
    if depth < _TOO_MANY_ERRORS and found[-1] != -350:
        raise Deviation(f"the newest of {depth} entries is {found[-1]} after {_TOO_MANY_ERRORS} errors, not -350")
    return f"the queue holds {depth} entries"


def _rest_of_message(controller: Controller) -> None:
    controller.accepts("PULS:PUSH:AMPL 1")
    controller.refuses("PULS:PUSH:AMPL 99;:PULS:PUSH:AMPL 1.5", (-222,))
    if abs(controller.real("PULS:PUSH:AMPL?") - 1.5) > 0.01:
        raise Deviation("a value out of range dropped the rest of its message")
    controller.refuses("NONSENSE;:PULS:PUSH:AMPL 1.75", (-113,))
    if abs(controller.real("PULS:PUSH:AMPL?") - 1.5) > 0.01:
        raise Deviation("the rest of a message with an unknown header was executed")


def _status(controller: Controller) -> None:
    controller.ask("*ESR?")
    try:
        for message, bit in (("NONSENSE", 5), ("PULS:PUSH:AMPL 99", 4), ("*OPC", 0)):
            controller.send(message)
            events = controller.integer("*ESR?")
            if not events >> bit & 1:
                raise Deviation(f"*ESR? answers {events} after {message}: bit {bit} is missing")
            controller.expect("*ESR?", 0)
        controller.send("*ESE 32")
        for message, wanted in (("*CLS", 0), ("NONSENSE", 4 + 32)):
            controller.send(message)
            if (byte := controller.integer("*STB?")) & (4 + 32) != wanted:
                raise Deviation(f"*STB? answers {byte} after {message}, with *ESE 32: bits 2 and 5 are to be {wanted}")
    finally:
        with suppress(Deviation):
            controller.accepts("*ESE 0;*CLS")


def _registers(controller: Controller) -> None:
    try:
        for register, readback in (("*ESE", 255), ("*SRE", 255 - 64)):
            for value in (0, 1, 129, 255):
                controller.accepts(f"{register} {value}")
                controller.expect(f"{register}?", value & readback)
            for value in ("256", "-1", "1E3"):
                controller.refuses(f"{register} {value}", (-222,))
            controller.expect(f"{register}?", readback)
    finally:
        with suppress(Deviation):
            controller.accepts("*ESE 0;*SRE 0")


def _operation_complete(controller: Controller) -> None:
    before = controller.totals()
    controller.expect("*OPC?", 1)
    controller.accepts("*WAI")
    if (code := controller.ask("*TST?", 60.0)) != "0":
        raise Deviation(f"the self test answers {code}")
    if controller.totals() != before:
        raise Deviation("*OPC?, *WAI or *TST? changed the totals")


CHECKS = (
    Check(clause="M1", title="short and long keywords, any case", attempt=_keywords),
    Check(clause="M2", title="several commands in a message", attempt=_paths),
    Check(clause="M3", title="several answers in a reply", attempt=_joined_answers),
    Check(clause="M4", title="an unread reply is dropped", attempt=_unread_reply),
    Check(clause="M5", title="any bytes in a block", attempt=_any_bytes_in_blocks),
    Check(clause="M5", title="malformed block headers", attempt=_bad_headers),
    Check(clause="M6", title="blocks too short or too long", attempt=_wrong_lengths),
    Check(clause="E1", title="an empty error queue", attempt=_no_error),
    Check(clause="E2", title="error codes", attempt=_codes),
    Check(clause="E3", title="order and count of the error queue", attempt=_queue),
    Check(clause="E4", title="overflow of the error queue", attempt=_overflow),
    Check(clause="E5", title="what an error drops", attempt=_rest_of_message),
    Check(clause="E6", title="event register and status byte", attempt=_status),
    Check(clause="E7", title="enable registers", attempt=_registers),
    Check(clause="E8", title="*OPC?, *WAI and *TST?", attempt=_operation_complete),
)
"""In the order of the page."""
