"""One training in progress: its steps, evaluations and checkpoints."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from avhcurate.errors import CurateError
from avhcurate.networks.models.runtime import PRECISIONS
from avhcurate.networks.training.checkpoints import random_states, read_checkpoint, set_random_states, write_checkpoint
from avhcurate.networks.training.distributed import ProcessGroup
from avhcurate.networks.training.evaluation import RunningMeans, evaluate
from avhcurate.networks.training.images import LabelledImages, augment, draw_augmentation, mirrored_in_turn, normalise
from avhcurate.networks.training.learner import (
    Learner,
    TrainingObjective,
    average_of,
    fit_first_layer,
    parameter_groups,
    settle_head,
)
from avhcurate.networks.training.recipe import Recipe, as_numbers
from avhcurate.workspace.data.trainings import EpochEval
from avhcurate.workspace.disk.jobs import Cancelled, Progress

#: Steps between two looks at the loss on a GPU, or at a wish to stop in several processes.
_TOGETHER = 16
#: Least seconds between checkpoints at the ends of short epochs.
_SOON = 1.0


@dataclass
class _State:
    """Where a training stands: the generator of orders and augmentations, now and as its epoch began, and the steps.

    seconds: spent on training. running: means since the step that was `evaluated` last.
    """

    generator: torch.Generator
    epoch: Tensor
    step: int = 0
    seconds: float = 0.0
    evaluated: int = -1
    running: RunningMeans = field(default_factory=RunningMeans)


@dataclass
class TrainingLoop:
    """One training in progress, from its checkpoint where there is one."""

    learner: Learner
    objective: TrainingObjective | None
    data: LabelledImages
    recipe: Recipe
    held_out: LabelledImages | None
    learnt: LabelledImages | None
    device: torch.device
    group: ProcessGroup
    early: Sequence[float]
    on_eval: Callable[[EpochEval], None]
    progress: Progress
    checkpoint: Path | None
    checkpoint_seconds: float

    def __post_init__(self) -> None:
        recipe = self.recipe
        n = len(self.data)
        least = 2 * self.group.size
        if n < least:
            raise CurateError(f"There are {n} images to train on. Give at least {least}.")
        self.per_epoch = len(self._split(torch.arange(n)))
        self.total = recipe.epochs * self.per_epoch
        positions = [*self.early, *range(1, recipe.epochs + 1)]
        self.due = {round(position * self.per_epoch) for position in positions}
        fit_first_layer(self.learner.module, self.data, seed=recipe.seed)
        self.learner.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average: AveragedModel | None = None
        if recipe.fast:
            self.average = average_of(self.learner)
        if self.objective is not None:
            self.objective.to(self.device)
        self.optimizer = torch.optim.SGD(
            parameter_groups(self.learner, recipe, self.objective),
            lr=recipe.learning_rate,
            momentum=recipe.pace.momentum,
            weight_decay=recipe.weight_decay,
            nesterov=True,
        )
        scaled = recipe.precision == "float16" and self.device.type != "mps"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scaled)
        self.mean, self.std = self.data.statistics(self.device, self.learner.class_weights.dtype)
        generator = torch.Generator().manual_seed(recipe.seed)
        self.state = _State(generator, generator.get_state())
        self._load()
        self.forward: nn.Module = self.learner
        if self.group.size > 1:
            self.forward = DistributedDataParallel(self.learner)
        #: Since when the seconds are not counted, and when the last checkpoint was written.
        self.since = self.written = time.perf_counter()

    def run(self) -> nn.Module:
        """Make the steps that are left, with evaluations and checkpoints between them; return the trained module."""
        state = self.state
        self._tell()
        self._evaluate_if_due()
        self.learner.train()
        while state.step < self.total:
            batches = self._split(self._order())[state.step % self.per_epoch :]
            for index, images in self._loaded(batches):
                self._learn(index, images)
                state.step += 1
                if self.average is not None:
                    self.average.update_parameters(self.learner)
                self._after_step()
        return self._finished()

    def _finished(self) -> nn.Module:
        """Return the module with its final weights."""
        module = self.learner.module
        if self.average is not None:
            module.load_state_dict(self.average.module.module.state_dict())  # type: ignore[union-attr]
        settle_head(self.learner)
        self.learner.hook.remove()
        if self.objective is not None:
            self.objective.to("cpu")
        return module.eval().to("cpu")

    def _order(self) -> Tensor:
        """Return the samples in the order of this epoch, which is the same when the epoch is resumed."""
        generator = self.state.generator
        if self.state.step % self.per_epoch:
            generator = torch.Generator()
            generator.set_state(self.state.epoch)
        else:
            self.state.epoch = generator.get_state()
        return torch.randperm(len(self.data), generator=generator)

    def _split(self, order: Tensor) -> list[Tensor]:
        """Return batches. A rest that is too small for batch norm in every process joins the last one."""
        batches = list(order.split(self.recipe.batch_size))
        if len(batches) > 1 and len(batches[-1]) < 2 * self.group.size:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches

    @property
    def _own(self) -> slice:
        """The part of a batch for this process."""
        return slice(self.group.rank, None, self.group.size)

    def _loaded(self, batches: list[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each batch with this process's images, which are read ahead."""
        with ThreadPoolExecutor(1, "avhcurate") as pool:
            ahead = pool.submit(self._images, batches[0])
            for index, following in zip(batches, [*batches[1:], None], strict=True):
                images = ahead.result()
                if following is not None:
                    ahead = pool.submit(self._images, following)
                yield index, images

    def _images(self, index: Tensor) -> Tensor:
        images = self.data.take(index[self._own])
        if self.device.type == "cuda":
            return images.pin_memory()
        return images

    def _learn(self, index: Tensor, images: Tensor) -> None:
        """Make one step."""
        rate = self._rate(self.state.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["rate"]
        batch = self._augmented(index, images.to(self.device, non_blocking=True))
        labels = self.data.labels_of(index[self._own]).to(self.device, non_blocking=True)
        with self._autocast():
            if self.objective is not None:
                loss, logits = self.objective(self.forward, batch, labels, index[self._own])
            else:
                _, logits = self.forward(batch)
                loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        self.state.running.add(loss, logits, labels)
        if self.device.type == "cpu" or self.state.step % _TOGETHER == 0:
            self._check_loss()
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.recipe.clip is not None:
            self.scaler.unscale_(self.optimizer)
            for part in self._trained():
                nn.utils.clip_grad_norm_(part.parameters(), self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _augmented(self, index: Tensor, images: Tensor) -> Tensor:
        """Return this process's images, augmented and normalised. Every process draws for the whole batch."""
        recipe = self.recipe
        draws = draw_augmentation(len(index), recipe, self.state.generator)
        if recipe.fast and recipe.flip:
            mirrored = mirrored_in_turn(len(self.data), self.state.step // self.per_epoch, seed=recipe.seed)
            draws = draws._replace(mirrored=mirrored[index])
        return normalise(augment(images, recipe, draws.part(self._own)), self.mean, self.std)

    def _rate(self, step: int) -> float:
        return self.recipe.learning_rate * self.recipe.share(step, self.total)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.recipe.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, PRECISIONS[self.recipe.precision])

    def _after_step(self) -> None:
        """Evaluate, write a checkpoint or stop, where it is time."""
        step = self.state.step
        epoch_ends = step % self.per_epoch == 0
        self._tell()
        self._evaluate_if_due()
        stop = False
        if self.group.size == 1 or epoch_ends or step % _TOGETHER == 0:
            stop = self.group.broadcast(self.progress.should_stop())
        waited = time.perf_counter() - self.written
        write = waited > self.checkpoint_seconds or (epoch_ends and waited > _SOON)
        if write or stop or step == self.total:
            self._save()
        if stop and step < self.total:
            self.group.broadcast(None)  # all wait for the checkpoint
            raise Cancelled(f"Cancelled in epoch {self._epoch()} of {self.recipe.epochs}. The same command resumes.")

    def _evaluate_if_due(self) -> None:
        state = self.state
        if state.step not in self.due or state.step <= state.evaluated:
            return
        self._pause()
        self._check_finite()
        if self.group.leads:
            train_loss, train_accuracy = state.running.means
            self.on_eval(
                EpochEval(
                    epoch=state.step / self.per_epoch,
                    step=state.step,
                    seconds=state.seconds,
                    learning_rate=self._rate(max(state.step - 1, 0)),
                    train_loss=train_loss,
                    train_accuracy=train_accuracy,
                    samples=self._evaluate(self.held_out),
                    learnt=self._evaluate(self.learnt),
                )
            )
        self.group.broadcast(None)
        state.running = RunningMeans()
        state.evaluated = state.step
        self.learner.train()
        self.since = time.perf_counter()

    def _evaluate(self, images: LabelledImages | None) -> dict[str, np.ndarray]:
        if images is None:
            return {}
        learner = self.learner
        if self.average is not None:
            learner = cast(Learner, self.average.module)
        return evaluate(learner, images, self.device)

    def _check_loss(self) -> None:
        """Raise CurateError when the loss since the last evaluation is not finite."""
        if not math.isfinite(self.state.running.numbers()[0]):
            self._refuse("loss", self.state.step)

    def _check_finite(self) -> None:
        """Raise CurateError when the loss or a weight is not finite."""
        self._check_loss()
        finite = [p.isfinite().all() for p in self.learner.parameters() if p.is_floating_point()]
        if not bool(torch.stack(finite).all()):
            self._refuse("network", max(self.state.step - 1, 0))

    def _refuse(self, part: str, step: int) -> NoReturn:
        epoch, within = divmod(step, self.per_epoch)
        raise CurateError(
            f"The {part} is no longer finite in epoch {epoch + 1}, step {within}. Lower the learning rate (now "
            f"{self._rate(step):g}). The last checkpoint, if there is one, is still valid."
        )

    def _pause(self) -> None:
        """Add the time since the last pause to the training's seconds."""
        now = time.perf_counter()
        self.state.seconds += now - self.since
        self.since = now

    def _tell(self) -> None:
        if self.group.leads:
            epoch, within = divmod(self.state.step, self.per_epoch)
            n = len(self.data)
            done = epoch * n + min(within * self.recipe.batch_size, n)
            self.progress.report(done, self.recipe.epochs * n, f"epoch {self._epoch()} of {self.recipe.epochs}")

    def _epoch(self) -> int:
        """Return the number of the epoch of the last step, or the first."""
        return max(1, math.ceil(self.state.step / self.per_epoch))

    def _trained(self) -> list[nn.Module]:
        return [part for part in (self.learner, self.objective) if part is not None]

    def _parts(self) -> dict[str, Any]:
        """Return what has a state to keep, by its name in a checkpoint."""
        names = ("learner", "objective", "average", "optimizer", "scaler")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def _inputs(self) -> str:
        """Return what must be the same to resume from a checkpoint."""
        states = [part.state_dict() for part in self._trained()]
        inputs = {
            "recipe": as_numbers(self.recipe),
            "samples": [len(self.data), *self.data.shape],
            "processes": self.group.size,
            "objective": repr(self.objective),
            "weights": [[name, *tensor.shape] for state in states for name, tensor in state.items()],
        }
        return json.dumps(inputs)

    def _save(self) -> None:
        if self.checkpoint is None or not self.group.leads:
            return
        self._pause()
        self._check_finite()
        state = self.state
        content = {
            "inputs": self._inputs(),
            "step": state.step,
            "seconds": state.seconds,
            "evaluated": state.evaluated,
            "running": state.running.numbers(),
            "order": state.generator.get_state(),
            "epoch": state.epoch,
            "random": random_states(self.device),
        }
        write_checkpoint(self.checkpoint, content | {name: part.state_dict() for name, part in self._parts().items()})
        self.written = self.since = time.perf_counter()

    def _load(self) -> None:
        if self.checkpoint is None or (content := read_checkpoint(self.checkpoint)) is None:
            return
        if content["inputs"] != self._inputs():
            raise CurateError(
                f"The checkpoint {self.checkpoint} is of a training with other settings, data or number of processes. "
                "Use the same ones again, or delete it to train from the beginning."
            )
        for name, part in self._parts().items():
            part.load_state_dict(content[name])
        generator = self.state.generator
        generator.set_state(content["order"])
        running = RunningMeans(*content["running"])
        self.state = _State(
            generator, content["epoch"], content["step"], content["seconds"], content["evaluated"], running
        )
        if self.group.leads:
            set_random_states(content["random"], self.device)
