"""`python -m sim_instruments`: serve a simulated bench to programs in any language."""

import json
import logging
import os
import signal
import sys
from pathlib import Path

import click

from sim_instruments.bench import SimulatedBench, open_bench, open_default_bench
from sim_instruments.coarse_grain.command import coarse_grain
from sim_instruments.config import BenchFileError
from sim_instruments.materials import materials
from sim_instruments.server.bench_server import HISLIP_PORT, SOCKET_PORT, Addresses, BenchServer, Listening
from sim_instruments.server.listening import BindError, hosts_to_bind, is_loopback

_EXAMPLES = """\b
Examples:
  python -m sim_instruments serve
  python -m sim_instruments serve bench.toml --state ~/sample-a
  python -m sim_instruments serve --port-base 0 --hislip-port 0 --json
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXAMPLES)
def main() -> None:
    """Simulated instruments around one sample of domain-wall devices."""


main.add_command(coarse_grain)
main.add_command(materials)


@main.command(epilog=_EXAMPLES)
@click.argument("bench", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), help="Keep walls and counters in this folder."
)
@click.option(
    "--port-base",
    type=click.IntRange(0, 65000),
    default=SOCKET_PORT,
    show_default=True,
    help="Port of the first instrument's raw socket; the next ones follow. 0 takes any that are free.",
)
@click.option(
    "--hislip-port",
    type=click.IntRange(0, 65535),
    default=HISLIP_PORT,
    show_default=True,
    help="Port for HiSLIP; 0 takes any that is free.",
)
@click.option(
    "--max-connections", type=click.IntRange(1, 1000), default=64, show_default=True, help="Of all clients together."
)
@click.option("--bind", metavar="ADDRESS", help="Listen on this address instead of loopback.")
@click.option("--i-know-this-is-open", is_flag=True, help="Allow --bind to an address that other computers reach.")
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as one line of JSON when ready.")
def serve(
    bench: Path | None,
    state: Path | None,
    port_base: int,
    hislip_port: int,
    max_connections: int,
    bind: str | None,
    i_know_this_is_open: bool,
    as_json: bool,
) -> None:
    """Serve every instrument of a bench file at once, until Ctrl-C or SIGTERM.

    Without BENCH, the bench that ships. Each instrument has a raw TCP socket and a HiSLIP sub-address; one whose
    address starts with ASRL has a pseudo-terminal besides. There is no password: only this computer is served unless
    --bind says otherwise.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        hosts = hosts_to_bind(bind, is_open_known=i_know_this_is_open)
        listening = Listening(
            hosts=hosts, port_base=port_base, hislip_port=hislip_port, max_connections=max_connections
        )
        simulated = open_default_bench(state=state) if bench is None else open_bench(bench, state=state)
    except (BindError, BenchFileError) as error:
        raise click.ClickException(str(error)) from error
    try:
        with _Signals() as signals, BenchServer(simulated.instruments, listening) as server:
            _announce(simulated, server.addresses, hosts, as_json=as_json)
            signals.wait()
    except BindError as error:
        raise click.ClickException(str(error)) from error
    finally:
        simulated.close()
    if not as_json:
        click.echo("stopped" + (", state kept" if simulated.config.sample.state else ""))


class _Signals:
    """Ctrl-C and SIGTERM as something to wait for, from the moment on that there is something to clean up."""

    def __enter__(self) -> "_Signals":
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._before = {name: signal.signal(name, lambda *_: None) for name in (signal.SIGINT, signal.SIGTERM)}
        self._woken_before = signal.set_wakeup_fd(self._write)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._woken_before)
        for name, handler in self._before.items():
            signal.signal(name, handler)
        os.close(self._read)
        os.close(self._write)

    def wait(self) -> None:
        """Wait for one of them."""
        os.read(self._read, 1)


def _announce(
    bench: SimulatedBench, addresses: tuple[Addresses, ...], hosts: tuple[str, ...], *, as_json: bool
) -> None:
    if not all(map(is_loopback, hosts)):
        click.echo(f"OPEN: everybody who reaches {hosts[0]} can drive this bench; there is no password.", err=True)
    entries = [
        {"model": entry.model, "serial_number": entry.serial, **found.as_table()}
        for entry, found in zip(bench.config.instrument, addresses, strict=True)
    ]
    if as_json:
        click.echo(json.dumps({"pid": os.getpid(), "instruments": entries}))
        return
    for entry in entries:
        click.echo(f"{entry['model']}  {entry['serial_number']}")
        for interface in ("socket", "hislip", "serial"):
            if entry[interface] is not None:
                click.echo(f"    {entry[interface]}")
    click.echo(f"listening on {' and '.join(hosts)}; stop with Ctrl-C")
    sys.stdout.flush()


if __name__ == "__main__":
    main(prog_name="python -m sim_instruments")
