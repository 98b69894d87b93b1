"""`hil scpi`."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from hil.cli.outcome import EXIT_FAILED, examples, json_option, print_json, reported_errors, stderr

if TYPE_CHECKING:
    from hil.console import Line, Shell


@click.command(
    "scpi",
    epilog=examples(
        "hil scpi pulser --bench mybench.toml",
        "hil scpi pulser -c '*IDN?' -c ':OUTP1?'",
        "hil scpi smu --transcript smu.log < setup.scpi",
    ),
)
@click.argument("resource")
@click.option(
    "--bench",
    type=click.Path(path_type=Path),
    help="Bench file with the instrument and its limits. Absent: the bench that ships.",
)
@click.option("-c", "commands", multiple=True, metavar="MESSAGE", help="Run this line and leave; may be given again.")
@click.option("--transcript", type=click.Path(path_type=Path), help="Append every line and reply to this file.")
@click.option("--timeout", "timeout_s", type=float, help="Time that a reply is given, seconds; 5 if absent.")
@click.option("--leave-on", is_flag=True, help="Leave the output as it is instead of switching it off.")
@json_option
def command(
    resource: str,
    bench: Path | None,
    commands: tuple[str, ...],
    transcript: Path | None,
    timeout_s: float | None,
    leave_on: bool,
    as_json: bool,
) -> None:
    """Talk to one instrument of a bench, within the limits of the bench file. May move walls, as whatever is sent does.

    RESOURCE is the instrument's name or address in the bench file. On a terminal it prompts, with history and
    completion; with -c, or lines on standard input, it runs those, stops at the first that fails, and exits with 1 if
    one failed or the instrument reported errors. On leaving, the output is switched off if any command was sent;
    --leave-on keeps it.
    """
    from drivers.console import Console
    from hil.console import Shell, TranscriptFile

    with reported_errors(as_json=as_json), TranscriptFile(transcript) as file:
        console = Console.open(resource, bench)
        try:
            if timeout_s is not None:
                console.set_timeout(timeout_s)
            shell = Shell(console, file)
            who = console.identity
            about = f"{console.name}: {who.manufacturer} {who.model}, serial {who.serial}, at {console.address}"
            file.note("--", about)
            if console.warning is not None:
                stderr.print(f"warning: {console.warning}", style="yellow", markup=False, soft_wrap=True)
            if not commands and sys.stdin.isatty() and not as_json:
                done = _converse(shell, about, leave_on=leave_on)
            else:
                done = _run(shell, commands or _lines(sys.stdin), leave_on=leave_on, as_json=as_json)
        finally:
            console.close()
    raise SystemExit(0 if done else EXIT_FAILED)


def _lines(stream: Iterable[str]) -> Iterable[str]:
    """Return the lines of a script: empty ones and those that begin with a hash sign are for people."""
    return (line.strip() for line in stream if line.strip() and not line.lstrip().startswith("#"))


def _run(shell: "Shell", lines: Iterable[str], *, leave_on: bool, as_json: bool) -> bool:
    """Run lines until one fails; return whether none did and the instrument reports no error."""
    done: list[Line] = []
    errors: tuple[str, ...] = ()
    try:
        for text in lines:
            line = shell.run(text)
            done.append(line)
            if not as_json:
                _show(line)
            if not line.ok:
                break
        if shell.console.is_believable:
            errors = shell.console.errors()
    finally:
        left = shell.leave(leave_on=leave_on)
    is_ok = all(line.ok for line in done) and not errors
    if as_json:
        who = shell.console.identity
        print_json(
            {
                "ok": is_ok,
                "resource": shell.console.address,
                "name": shell.console.name,
                "identity": who,
                "exchanges": done,
                "instrument_errors": errors,
                "left": left,
            }
        )
        return is_ok
    for entry in errors:
        stderr.print(f"the instrument reports {entry}", style="red", markup=False, highlight=False, soft_wrap=True)
    _show_left(left)
    return is_ok


def _converse(shell: "Shell", about: str, *, leave_on: bool) -> bool:
    """Prompt for lines until Ctrl-D."""
    from hil.cli.prompt import open_prompt

    prompt = open_prompt(shell.own_commands)
    stderr.print(about, markup=False, highlight=False, soft_wrap=True)
    if not shell.console.is_off():
        stderr.print("its output is on, or a relay is closed", style="yellow")
    stderr.print(":help for help, Ctrl-D to leave", style="dim")
    try:
        while True:
            try:
                text = prompt.prompt(f"{shell.console.name}> ")
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            if text.strip():
                _show(shell.run(text))
    finally:
        _show_left(shell.leave(leave_on=leave_on))
    return True


def _show(line: "Line") -> None:
    if line.reply is not None:
        click.echo(line.reply)
    if line.error is not None:
        stderr.print(line.error, style="red", markup=False, highlight=False, soft_wrap=True)


def _show_left(words: str) -> None:
    style = "bold red" if words.isupper() or "ON" in words.split() else "dim"
    stderr.print(words, style=style, markup=False, highlight=False, soft_wrap=True)
