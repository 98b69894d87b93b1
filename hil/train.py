"""Training: ResNet-18 by SGLD, the weights on devices of a bench or, for comparison, in floating point."""

from contextlib import ExitStack
from pathlib import Path

from drivers import Bench
from hil.config import RunConfig
from hil.loop import TrainingLoop
from hil.publish import Publisher, RunListener
from hil.run_directory import write_json
from hil.setting import describe, device_parameters, open_store, prepare
from hil.stop import StopRequest
from hil.summary import Summary
from hil.telemetry import RunState, TelemetryWriter


def train(config: RunConfig, *, run_dir: Path, listener: RunListener, stop: StopRequest) -> Summary:
    """Train to the end, or until a stop is requested. Moves walls, unless the run is digital.

    Whatever happens, outputs are off and the run directory is readable afterwards.

    Args:
        config: the run.
        run_dir: an empty directory for everything the run leaves behind.
        listener: hears of progress.
        stop: looked at after every step.

    Returns:
        The summary, which is also in `summary.json`.

    Raises:
        ConfigError: before anything moves, if something needed is missing; the message says what to do.
        SafeStateError: if an output could not be confirmed off.
    """
    setting = prepare(config, run_dir)
    with ExitStack() as stack:
        bench = stack.enter_context(Bench.open(setting.bench)) if setting.bench else None
        writer = stack.enter_context(TelemetryWriter(run_dir, describe(setting, bench)))
        write_json(run_dir / "config.json", config.model_dump(mode="json"))
        publisher = Publisher(writer, listener, bench, steps_total=setting.steps_total, epochs=config.epochs)
        try:
            parameters = device_parameters(setting, bench, publisher) if bench else None
            store = open_store(setting, bench, parameters, publisher, stack)
            if bench is not None:
                publisher.state(RunState.PROGRAMMING, "programming the initial weights")
                bench.array.output_on()
            store.initialise()
            loop = TrainingLoop(setting, store, publisher, writer, stop)
            loop.run()
            summary = loop.summary(parameters.raw_sha256 if parameters else None)
            if bench is not None:
                bench.make_safe()
            write_json(run_dir / "summary.json", summary)
            publisher.state(summary.state, "stopped on request" if stop.requested else "finished")
        except BaseException as error:
            reason = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
            try:
                if bench is not None:
                    bench.make_safe()
            finally:
                publisher.state(RunState.FAILED, reason, level="error")
            raise
    return summary
