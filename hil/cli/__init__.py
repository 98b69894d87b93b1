"""The `hil` command. Each subcommand is a module that is imported when it is used, so that `--help` is quick."""

import importlib

import rich_click as click

_COMMANDS = (
    "doctor",
    "discover",
    "scpi",
    "conformance",
    "calibrate",
    "characterize",
    "export-shots",
    "train",
    "monitor",
)


class _LazyGroup(click.RichGroup):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and return the command."""
        if cmd_name not in _COMMANDS:
            return None
        return importlib.import_module(f"hil.cli.{cmd_name.replace('-', '_')}").command


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="domainwall-hil", prog_name="hil")
def main() -> None:
    """Control, calibrate and train magnetic domain-wall memristors through their instruments.

    Exit codes: 0 done, 1 a check or an instrument failed, 2 wrong options or files, 70 an output could not be confirmed
    off, 130 interrupted, 143 terminated.
    """
