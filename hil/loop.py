"""The training loop: read the array, forward and backward, compile the update, fire it, tell the telemetry."""

import time
from collections.abc import Iterator
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hil import arithmetic, sgld
from hil.config import RunConfig, StepSizeShape
from hil.publish import Publisher
from hil.schedules import constant, ramp, warmup_cosine
from hil.setting import Setting
from hil.stop import StopRequest
from hil.summary import Averages, Summary, overhead_ratio, summarise_times
from hil.telemetry import Evaluation, RunState, Step, StepTimes, TelemetryWriter
from hil.weights import WeightStore, langevin_step


@final
class TrainingLoop:
    """Takes every step of a run and keeps its figures.

    Args:
        setting: data, model, configuration.
        store: keeps and moves the weights of the device layers.
        publisher: hears of every step.
        writer: gets samples of the updates.
        stop: looked at after every step.
    """

    def __init__(
        self, setting: Setting, store: WeightStore, publisher: Publisher, writer: TelemetryWriter, stop: StopRequest
    ) -> None:
        config = setting.config
        self._setting = setting
        self._store = store
        self._publisher = publisher
        self._writer = writer
        self._stop = stop
        self._digital = setting.digital_parameters
        self._sampler = build_sampler(config, setting.steps_total, len(setting.dataset.train))
        self._state = self._sampler.init()
        self._times: list[StepTimes] = []
        self._losses: list[float] = []
        self._averages = Averages()
        self._evaluation: Evaluation | None = None
        self._seconds = 0.0

    def run(self) -> None:
        """Train every epoch, or until a stop is requested."""
        self._publisher.state(RunState.TRAINING, "training")
        started = time.perf_counter()
        for epoch in range(1, self._setting.config.epochs + 1):
            for chosen in self._chosen(epoch):
                self._step(epoch, chosen)
                if self._stop.requested:
                    self._seconds = time.perf_counter() - started
                    return
            self._evaluate(epoch)
        self._seconds = time.perf_counter() - started

    def summary(self, raw_sha256: str | None) -> Summary:
        """Return the figures of the run so far."""
        setting, config = self._setting, self._setting.config
        times, totals = summarise_times(self._times), self._store.totals()
        last_epoch = self._losses[-setting.batches.steps_per_epoch :]
        return Summary(
            run_dir=str(setting.run_dir),
            state=RunState.STOPPED if self._stop.requested else RunState.FINISHED,
            dataset=setting.dataset.name,
            model=setting.model_name,
            digital=config.digital,
            devices=0 if config.digital else sum(layer.devices for layer in setting.layers),
            epochs=config.epochs,
            steps=self._state.step,
            seconds=self._seconds,
            step_time_s=times,
            hil_overhead_ratio=overhead_ratio(times),
            train_loss=float(np.mean(last_epoch)) if last_epoch else None,
            test_accuracy=self._evaluation.test_accuracy if self._evaluation else None,
            test_loss=self._evaluation.test_loss if self._evaluation else None,
            temperature=config.sampler.temperature,
            step_size=config.sampler.step_size,
            update_bits=None if config.digital else config.update.bits,
            precision=str(setting.precision),
            pulses_total=totals.pulses,
            energy_j=totals.energy_j,
            infeasible_fraction=self._averages.infeasible,
            clipped_fraction=self._averages.clipped,
            saturated_fraction=self._averages.saturated,
            end_stop_fraction=totals.end_stop_fraction,
            open_devices=totals.open_devices,
            short_devices=totals.short_devices,
            parameters_sha256=raw_sha256,
        )

    def _chosen(self, epoch: int) -> Iterator[NDArray[np.int64]]:
        size, order = self._setting.config.batch_size, self._setting.batches.order(epoch)
        return (order[i * size : (i + 1) * size] for i in range(self._setting.batches.steps_per_epoch))

    def _step(self, epoch: int, chosen: NDArray[np.int64]) -> None:
        marks = [time.perf_counter()]
        images, labels = self._setting.batches.training(self._state.step, chosen)
        marks.append(time.perf_counter())
        self._store.load()
        marks.append(time.perf_counter())
        loss, accuracy = self._forward_backward(images, labels)
        marks.append(time.perf_counter())
        self._state, target = self._sampler.update(self._state)
        self._store.compile(target)
        marks.append(time.perf_counter())
        self._store.fire()
        marks.append(time.perf_counter())
        langevin_step(self._digital, target, seed=self._setting.config.seed + 1)
        marks.append(time.perf_counter())
        self._report(epoch, target, loss, accuracy, marks)

    def _forward_backward(self, images: Tensor, labels: Tensor) -> tuple[float, float]:
        model = self._setting.model
        model.train()
        model.zero_grad(set_to_none=True)
        with arithmetic.autocast(self._setting.precision):
            logits = model(images)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        if not torch.isfinite(loss):
            raise sgld.DivergedError(
                f"the loss is {loss.item()} in step {self._state.step + 1}: "
                "lower sampler.step_size or raise sampler.warmup_fraction"
            )
        loss.backward()
        return loss.item(), float((logits.argmax(1) == labels).float().mean())

    def _report(self, epoch: int, target: sgld.Target, loss: float, accuracy: float, marks: list[float]) -> None:
        start, loaded, read, backward, compiled, fired, end = marks
        times = StepTimes(
            read=read - loaded,
            forward_backward=backward - read,
            compile=compiled - backward,
            program=fired - compiled,
            total=end - start,
        )
        totals = self._store.totals()
        self._times.append(times)
        self._losses.append(loss)
        self._averages.add(totals)
        sample = self._store.update_sample()
        if sample is not None:
            self._writer.updates(sample)
        self._publisher.step(
            Step(
                step=self._state.step,
                epoch=epoch,
                t=self._publisher.elapsed_s,
                loss=loss,
                accuracy=accuracy,
                step_size=target.step_size,
                temperature=target.temperature,
                times=times,
                pulses_total=totals.pulses,
                energy_j=totals.energy_j,
                infeasible_fraction=totals.infeasible_fraction,
                clipped_fraction=totals.clipped_fraction,
                masked_devices=totals.open_devices + totals.short_devices,
                layers=self._store.layer_steps(),
            )
        )

    def _evaluate(self, epoch: int) -> None:
        self._store.load()
        model = self._setting.model
        model.eval()
        loss = correct = count = 0.0
        with torch.inference_mode(), arithmetic.autocast(self._setting.precision):
            for images, labels in self._setting.batches.test():
                logits = model(images).float()
                loss += float(nn.functional.cross_entropy(logits, labels, reduction="sum"))
                correct += float((logits.argmax(1) == labels).sum())
                count += len(labels)
        self._evaluation = Evaluation(
            step=self._state.step,
            epoch=epoch,
            t=self._publisher.elapsed_s,
            test_loss=loss / count,
            test_accuracy=correct / count,
        )
        self._publisher.evaluation(self._evaluation)


def build_sampler(config: RunConfig, steps_total: int, data_count: int) -> sgld.Transform:
    """Return the sampler of a run."""
    table = config.sampler
    step_size = warmup_cosine(
        table.step_size,
        warmup_steps=round(table.warmup_fraction * steps_total),
        total_steps=steps_total,
        final=table.step_size if table.step_size_shape is StepSizeShape.CONSTANT else 0.0,
    )
    start, end = table.temperature_start, table.temperature
    temperature = constant(end) if start is None else ramp(start, end, total_steps=steps_total)
    return sgld.build(
        step_size=step_size, temperature=temperature, weight_decay=table.weight_decay, data_count=data_count
    )
