"""The trainer: SGD over images by a recipe, with evaluations and checkpoints that resume to the same bits."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from avhcurate.networks.models.runtime import enough_memory, find_device, keep_freed_memory, products_on
from avhcurate.networks.training.checkpoints import seeded
from avhcurate.networks.training.distributed import joined, own_device
from avhcurate.networks.training.images import LabelledImages
from avhcurate.networks.training.learner import TrainingObjective, make_learner
from avhcurate.networks.training.loop import TrainingLoop
from avhcurate.networks.training.recipe import Recipe
from avhcurate.workspace.data.trainings import EpochEval
from avhcurate.workspace.disk.jobs import SILENT, Progress


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
    early: Sequence[float] = (),
    on_eval: Callable[[EpochEval], None] = lambda evaluation: None,
    progress: Progress = SILENT,
    checkpoint: Path | None = None,
    checkpoint_seconds: float = 60.0,
) -> nn.Module:
    """Train `module` in place on `data` and return it on the CPU, in eval mode.

    `held_out` is only evaluated on: `on_eval` gets an `EpochEval` after every epoch and at `early` positions in epochs
    (0 is before training), with the same of `learnt`, some of `data` without augmentation. `head` names the last linear
    layer where it cannot be found. `objective` replaces cross-entropy, and is trained in place too. Order,
    augmentation and dropout depend only on `recipe.seed`; the global random state does not change.

    A checkpoint is written at the ends of epochs, every `checkpoint_seconds` within them, and before Cancelled is
    raised. A training resumes from its checkpoint, on a CPU to the same bits, and does not repeat earlier evaluations.
    `progress` is in samples. Under `torchrun` the processes share each batch; the first one evaluates and writes.

    Raises CurateError for mistakes of the user, and with epoch and step when the loss is not finite.
    """
    keep_freed_memory()
    recipe = recipe.for_images(data.shape[0], data.shape[1])
    with joined() as group:
        if isinstance(device, str):
            device = find_device(device)
        device = own_device(device, group)
        # What is not cast to half precision is exact, like when the network is run.
        exact = products_on(device, "float32")
        with seeded(recipe.seed + group.rank, device), enough_memory(device, "this batch"), exact:
            training = TrainingLoop(
                learner=make_learner(module, data, recipe, head=head),
                objective=objective,
                data=data,
                recipe=recipe,
                held_out=held_out,
                learnt=learnt,
                device=device,
                group=group,
                early=early,
                on_eval=on_eval,
                progress=progress,
                checkpoint=checkpoint,
                checkpoint_seconds=checkpoint_seconds,
            )
            return training.run()
