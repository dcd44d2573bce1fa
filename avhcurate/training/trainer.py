"""The trainer: SGD over images by a recipe, with evaluations and checkpoints that resume to the same bits."""

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from avhcurate.data.trainings import EpochEval
from avhcurate.disk.jobs import SILENT, Cancelled, Progress
from avhcurate.errors import CurateError
from avhcurate.models.runtime import enough_memory, find_device, find_precision, keep_freed_memory, products_on
from avhcurate.training.batch_norm import check_sync_batchnorm, set_to_train, share_batch_norm
from avhcurate.training.checkpoints import random_states, read_checkpoint, seeded, set_random_states, write_checkpoint
from avhcurate.training.distributed import ProcessGroup, joined, own_device
from avhcurate.training.evaluation import EACH_EPOCH, EvalSchedule, RunningMeans, evaluate
from avhcurate.training.images import (
    Augmentation,
    LabelledImages,
    augment,
    draw_augmentation,
    mirrored_in_turn,
    normalise,
)
from avhcurate.training.learner import (
    Learner,
    TrainingObjective,
    WeightAverage,
    fit_first_layer,
    make_learner,
    parameter_groups,
    settle_head,
)
from avhcurate.training.recipe import Recipe, as_numbers

#: Steps whose losses are fetched from a GPU, or agreed on between processes, at once.
_TOGETHER = 16

#: Seconds between checkpoints at the ends of short epochs.
_SOON = 1.0


def train(
    module: nn.Module,
    data: LabelledImages,
    recipe: Recipe,
    *,
    held_out: LabelledImages | None = None,
    learnt: LabelledImages | None = None,
    head: str | None = None,
    objective: TrainingObjective | None = None,
    device: str | torch.device = "auto",
    schedule: EvalSchedule = EACH_EPOCH,
    on_eval: Callable[[EpochEval], None] = lambda evaluation: None,
    progress: Progress = SILENT,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 60.0,
    sync_batchnorm: bool = False,
) -> nn.Module:
    """Trains `module` in place on `data` and returns it on the CPU, at rest.

    `held_out` is only evaluated on: `on_eval` gets an `EpochEval` after every epoch, or when `schedule` says, and with
    it the same of `learnt`, some of `data`, without augmentation. `head` names the last linear layer where it is not
    what the module returns. `objective` is minimised in place of cross-entropy, and trained in place too. Order,
    augmentation and dropout come from `recipe.seed` alone; the global random state is left as it was.

    A checkpoint is written at the ends of epochs, every `checkpoint_seconds` within them, and before Cancelled is
    raised because the work should stop; where one is found the training goes on from it, to the same bits on a CPU as
    if it had never stopped, and evaluations made before it are not repeated. `progress` is in samples. Started by
    `torchrun`, the processes share each batch and the first alone calls and writes.

    Raises CurateError, naming epoch and step, when the loss is no longer finite, and for mistakes of the user's.
    """
    keep_freed_memory()
    this_device = own_device(find_device(device) if isinstance(device, str) else device)
    with joined() as group, seeded(recipe.seed + group.rank, this_device):
        training = _TrainingLoop(
            make_learner(module, data, recipe, head=head),
            objective,
            data,
            recipe,
            held_out,
            learnt,
            this_device,
            group,
            schedule,
            on_eval,
            progress,
            checkpoint,
            checkpoint_seconds,
        )
        # What is not cast to half precision is exact, as it is when the network is run.
        with enough_memory(this_device, "this batch"), products_on(this_device, "float32"):
            training.prepare(sync_batchnorm=sync_batchnorm)
            training.run()
        return training.finished()


@dataclass
class _TrainingLoop:
    """One training under way."""

    learner: Learner
    objective: TrainingObjective | None
    data: LabelledImages
    recipe: Recipe
    held_out: LabelledImages | None
    learnt: LabelledImages | None
    device: torch.device
    group: ProcessGroup
    schedule: EvalSchedule
    on_eval: Callable[[EpochEval], None]
    progress: Progress
    checkpoint: Path | None
    checkpoint_seconds: float

    def prepare(self, *, sync_batchnorm: bool) -> None:
        """Everything that the steps need, as the checkpoint left it where there is one."""
        recipe, n = self.recipe, len(self.data)
        if n < 2 * self.group.size:
            raise CurateError(f"there are {n} samples to train on: give at least {2 * self.group.size}")
        self.steps_per_epoch = len(self._split(torch.arange(n)))
        self.total = recipe.epochs * self.steps_per_epoch
        self.due = self.schedule.steps(recipe.epochs, self.steps_per_epoch)
        fit_first_layer(self.learner.module, self.data, seed=recipe.seed)
        self.learner.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.sync_batchnorm = sync_batchnorm
        if sync_batchnorm:
            check_sync_batchnorm(self.device, self.learner.module)
            self.learner.module = share_batch_norm(self.learner.module)
        self.average = WeightAverage(self.learner, recipe.ema) if recipe.ema is not None else None
        if self.objective is not None:
            self.objective.to(self.device)
        self.optimizer = torch.optim.SGD(
            parameter_groups(self.learner, recipe, self.objective),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=recipe.momentum > 0,
        )
        scaled = recipe.precision == "float16" and self.device.type in ("cuda", "cpu")
        self.scaler = torch.amp.GradScaler(self.device.type if scaled else "cpu", enabled=scaled)
        self.mean, self.std = self.data.statistics(self.device, self.learner.class_weights.dtype)
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.epoch_state = self.generator.get_state()
        self.step, self.seconds, self.running = 0, 0.0, RunningMeans()
        self.evaluated = -1
        self.written = self.since = time.perf_counter()
        self._load()
        self.forward: nn.Module = self.learner
        if self.group.size > 1:
            ids = [self.device] if self.device.type == "cuda" else None
            self.forward = DistributedDataParallel(self.learner, device_ids=ids)

    def run(self) -> None:
        """The steps that are left, with evaluations and checkpoints between them."""
        self._tell()
        self._evaluate_if_due()
        set_to_train(self.learner)
        self.written = self.since = time.perf_counter()
        while self.step < self.total:
            batches = self._split(self._order())[self.step % self.steps_per_epoch :]
            for index, images in self._loaded(batches):
                self._learn(index, images)
                self.step += 1
                if self.average:
                    self.average.update(self.learner, self.step)
                self._after_step()

    def finished(self) -> nn.Module:
        """The module with its final weights."""
        module = self.learner.module
        if self.average:
            module.load_state_dict(self.average.learner.module.state_dict())
        settle_head(self.learner)
        self.learner.hook.remove()
        if self.objective is not None:
            self.objective.to("cpu")
        return module.eval().to("cpu")

    def _order(self) -> Tensor:
        """The samples in the order of this epoch; in an epoch that was cut short, the one that it began with."""
        generator = self.generator
        if self.step % self.steps_per_epoch:
            generator = torch.Generator()
            generator.set_state(self.epoch_state)
        else:
            self.epoch_state = generator.get_state()
        return torch.randperm(len(self.data), generator=generator)

    def _split(self, order: Tensor) -> list[Tensor]:
        """Batches; what is left over joins the last where it is too little for batch norm in every process."""
        batches = list(order.split(self.recipe.batch_size))
        if len(batches) > 1 and len(batches[-1]) < 2 * self.group.size:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches

    def _own(self) -> slice:
        """The part of a batch that this process takes."""
        return slice(self.group.rank, None, self.group.size)

    def _loaded(self, batches: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Each batch with this process's images; read ahead where they come from disk or go to a GPU."""

        def load(index: Tensor) -> Tensor:
            images = self.data.take(index[self._own()])
            return images.pin_memory() if self.device.type == "cuda" else images

        if self.device.type == "cpu" and not isinstance(self.data.images, np.memmap):
            yield from ((index, load(index)) for index in batches)
            return
        with ThreadPoolExecutor(1, "avhcurate") as pool:
            ahead = pool.submit(load, batches[0])
            for index, following in zip(batches, [*batches[1:], None], strict=True):
                images = ahead.result()
                if following is not None:
                    ahead = pool.submit(load, following)
                yield index, images

    def _learn(self, index: Tensor, images: Tensor) -> None:
        """One step."""
        rate = self._rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        # Every process draws for the whole batch, so that all stay in step and take what one process would.
        augmentation = self._augmentation(index).part(self._own())
        augmented = augment(images.to(self.device, non_blocking=True), self.recipe, augmentation)
        batch = normalise(augmented, self.mean, self.std)
        labels = self.data.labels_of(index[self._own()]).to(self.device, non_blocking=True)
        with self._autocast():
            if self.objective is None:
                _, logits = self.forward(batch)
                loss = self._loss(logits, labels, len(index))
            else:
                loss, logits = self.objective(self.forward, batch, labels, index[self._own()])
        right = (logits.detach().argmax(1) == (labels if labels.ndim == 1 else labels.argmax(1))).sum()
        self.running.pending.append((self.step, loss.detach(), right, len(index)))
        if len(self.running.pending) >= (1 if self.device.type == "cpu" and self.group.size == 1 else _TOGETHER):
            self._settle()
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.recipe.clip is not None:
            self.scaler.unscale_(self.optimizer)
            for part in filter(None, (self.learner, self.objective)):
                if trained := [p for p in part.parameters() if p.requires_grad]:
                    nn.utils.clip_grad_norm_(trained, self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _augmentation(self, index: Tensor) -> Augmentation:
        augmentation, recipe = draw_augmentation(len(index), self.recipe, self.generator), self.recipe
        if not (recipe.flip and recipe.alternate_flips):
            return augmentation
        mirrored = mirrored_in_turn(len(self.data), self.step // self.steps_per_epoch, seed=recipe.seed)
        return augmentation._replace(mirrored=mirrored[index])

    def _loss(self, logits: Tensor, labels: Tensor, whole: int) -> Tensor:
        """Mean over the batch; in a group, such that the mean of the processes' gradients is the whole batch's."""
        smoothing = self.recipe.label_smoothing
        if self.group.size == 1:
            return F.cross_entropy(logits, labels, label_smoothing=smoothing)
        total = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum")
        return total * self.group.size / whole

    def _rate(self, step: int) -> float:
        return self.recipe.learning_rate * self.recipe.share(step, self.total)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.recipe.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, find_precision(self.recipe.precision))

    def _after_step(self) -> None:
        """Evaluates, writes a checkpoint or stops, where it is time."""
        epoch_ends = self.step % self.steps_per_epoch == 0
        self._tell()
        self._evaluate_if_due()
        waited = time.perf_counter() - self.written
        write = waited > self.checkpoint_seconds or (epoch_ends and waited > _SOON)
        stop = False
        if self.group.size == 1 or epoch_ends or self.step % _TOGETHER == 0:
            write, stop = self.group.broadcast((write, self.progress.should_stop() if self.group.leads else False))
        elif self.group.size > 1:
            write = False
        if write or stop or self.step == self.total:
            self._save()
        if stop and self.step < self.total:
            raise Cancelled(f"cancelled in epoch {self._epoch()} of {self.recipe.epochs}: the same command resumes")

    def _evaluate_if_due(self) -> None:
        if self.step not in self.due or self.step <= self.evaluated:
            return
        self._pause()
        self._settle()
        self._check_weights_are_finite()
        samples, learnt = self._evaluate(self.held_out), self._evaluate(self.learnt)
        running, self.running = self.running, RunningMeans()
        self.evaluated = self.step
        if self.group.leads:
            train_loss, train_accuracy = running.means
            evaluation = EpochEval(
                epoch=self.step / self.steps_per_epoch,
                step=self.step,
                seconds=self.seconds,
                learning_rate=self._rate(max(self.step - 1, 0)),
                train_loss=train_loss,
                train_accuracy=train_accuracy,
                samples=samples,
                learnt=learnt,
            )
            self.on_eval(evaluation)
        set_to_train(self.learner)
        self.since = time.perf_counter()

    def _evaluate(self, images: LabelledImages | None) -> dict[str, np.ndarray]:
        """Columns of images, none of None; each process evaluates a part of them."""
        if images is None:
            return {}
        learner = self.average.learner if self.average else self.learner
        parts = np.array_split(np.arange(len(images)), self.group.size)
        gathered = self.group.gather(evaluate(learner, images.part(parts[self.group.rank]), self.device))
        columns = [part for part in gathered if part]
        return {key: np.concatenate([part[key] for part in columns]) for key in columns[0]} if columns else {}

    def _settle(self) -> None:
        """Fetches the pending losses, adds them up, and stops when one is not finite."""
        if diverged := self.running.settle(self.group):
            step, loss = diverged
            raise CurateError(self._diverged(f"the loss is {loss}", step))

    def _check_weights_are_finite(self) -> None:
        finite = [p.isfinite().all() for p in self.learner.parameters() if p.is_floating_point()]
        if not bool(torch.stack(finite).all()):
            raise CurateError(self._diverged("the weights are no longer numbers", self.step - 1))

    def _diverged(self, reason: str, step: int) -> str:
        epoch, within = divmod(step, self.steps_per_epoch)
        kept = "; the last checkpoint is whole" if self.checkpoint and self.checkpoint.exists() else ""
        half = ", or take --precision float32 or bfloat16" if self.recipe.precision == "float16" else ""
        return (
            f"{reason} in epoch {epoch + 1}, step {within}: lower the learning rate (now {self._rate(step):g}), "
            f"or limit the gradient by --clip 1{half}{kept}"
        )

    def _pause(self) -> None:
        """Adds the time since the last pause to the training's seconds."""
        now = time.perf_counter()
        self.seconds += now - self.since
        self.since = now

    def _tell(self) -> None:
        if self.group.leads:
            epoch, within = divmod(self.step, self.steps_per_epoch)
            n = len(self.data)
            done = epoch * n + min(within * self.recipe.batch_size, n)
            self.progress.report(done, self.recipe.epochs * n, f"epoch {self._epoch()} of {self.recipe.epochs}")

    def _epoch(self) -> int:
        """Number of the epoch that the last step belongs to, or the first."""
        return max(1, math.ceil(self.step / self.steps_per_epoch))

    def _of(self) -> str:
        """What a checkpoint must have been made by to go on from it."""
        inputs = {
            "recipe": as_numbers(self.recipe),
            "samples": len(self.data),
            "pictures": self.data.shape,
            "processes": self.group.size,
            "weights": {name: list(tensor.shape) for name, tensor in self.learner.state_dict().items()},
        }
        if self.objective is not None:
            shapes = {name: list(tensor.shape) for name, tensor in self.objective.state_dict().items()}
            inputs["objective"] = [repr(self.objective), shapes]
        if self.sync_batchnorm:
            inputs["sync_batchnorm"] = True
        return json.dumps(inputs, sort_keys=True)

    def _save(self) -> None:
        if self.checkpoint is None:
            return
        self._pause()
        self._settle()
        self._check_weights_are_finite()
        chance = self.group.gather(random_states(self.device))
        if self.group.leads:
            state = {
                "of": self._of(),
                "step": self.step,
                "seconds": self.seconds,
                "looked": self.evaluated,
                "running": [self.running.loss, self.running.right, self.running.samples],
                "learner": self.learner.state_dict(),
                "objective": self.objective.state_dict() if self.objective is not None else {},
                "average": self.average.model.state_dict() if self.average else {},
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "order": self.generator.get_state(),
                "epoch": self.epoch_state,
                "chance": chance,
            }
            write_checkpoint(self.checkpoint, state)
        self.group.broadcast(None)  # the others go on, and perhaps read it again, only when it is there
        self.written = self.since = time.perf_counter()

    def _load(self) -> None:
        state = read_checkpoint(self.checkpoint) if self.checkpoint else None
        if state is None:
            return
        if state["of"] != self._of():
            raise CurateError(
                f"the checkpoint {self.checkpoint} is of a training with other settings, data or number of processes: "
                "give those again, or delete it to train from the beginning"
            )
        self.learner.load_state_dict(state["learner"])
        if self.objective is not None:
            self.objective.load_state_dict(state["objective"])
        if self.average:
            self.average.model.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.generator.set_state(state["order"])
        self.epoch_state = state["epoch"]
        self.step, self.seconds, self.evaluated = state["step"], state["seconds"], state["looked"]
        loss, right, samples = state["running"]
        self.running = RunningMeans(loss, right, samples)
        set_random_states(state["chance"][self.group.rank], self.device)
