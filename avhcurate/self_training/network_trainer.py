"""Self-training of a whole network on images: mixed precision, several processes, each round with a checkpoint."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from avhcurate.data.self_trainings import SelfTrainingFolder
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import SILENT, Progress
from avhcurate.errors import CurateError
from avhcurate.models.loading import ModelSpec, NewModel, new_model
from avhcurate.models.registry import find_architecture
from avhcurate.models.runtime import find_device, products_on
from avhcurate.models.weights import load_weights, read_weights
from avhcurate.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.self_training.domains import domains
from avhcurate.self_training.loop import PseudoLabelled
from avhcurate.self_training.settings import Settings, TrainerSetup
from avhcurate.table.subset_images import decode_images, image_caches
from avhcurate.training.checkpoints import save_weights
from avhcurate.training.distributed import ProcessGroup, own_device
from avhcurate.training.images import LabelledImages, Stacked
from avhcurate.training.learner import Learner, make_learner
from avhcurate.training.recipe import Recipe, as_numbers
from avhcurate.training.trainer import train

#: The file of a round's weights.
FILE = "weights.safetensors"

#: Most pixels and most images of a batch at inference.
_PIXELS, _IMAGES = 256 * 64 * 64, 500


class FullTrainer:
    """Trains `module` in place on the source's images and selected ones of the target, whose labels are not used.

    `recipe` is that of every round, except its seed, which depends on the round's number. `checkpoints`: the folder of
    the checkpoint of a round in progress, from which it resumes. With several processes (`group`) each makes every
    call, and embeds a part of the target. `progress` returns that of a round's training by the round's number.
    """

    def __init__(
        self,
        module: nn.Module,
        source: LabelledImages,
        target: LabelledImages,
        *,
        num_classes: int,
        recipe: Recipe,
        checkpoints: Path,
        head: str | None = None,
        device: torch.device | None = None,
        group: ProcessGroup | None = None,
        progress: Callable[[int], Progress] = lambda _: SILENT,
    ) -> None:
        self.module, self.source, self.num_classes = module, source, num_classes
        self.target = replace(target, labels=np.full(len(target), -1))
        self.recipe, self.checkpoints, self.head = recipe, checkpoints, head
        self.device, self.group = device or torch.device("cpu"), group or ProcessGroup()
        self.progress = progress

    def fit(self, round: int, pseudo: PseudoLabelled | None) -> None:
        """See `self_training.loop.Trainer`."""
        checkpoint = self.checkpoints / f"round-{round:02d}{_digest(pseudo)}.pt"
        if self.group.leads:
            for old in self.checkpoints.glob("round-*.pt"):
                if old != checkpoint:
                    old.unlink()
        seed = int(np.random.SeedSequence([self.recipe.seed, round]).generate_state(1)[0])
        train(
            self.module,
            self.source if pseudo is None else self._with(pseudo),
            replace(self.recipe, seed=seed),
            head=self.head,
            device=self.device,
            progress=self.progress(round),
            checkpoint=checkpoint,
        )

    def outputs(self) -> ModelOutputs:
        """See `self_training.loop.Trainer`; in float32."""
        learner = make_learner(self.module, self.target, self.recipe, head=self.head)
        device = own_device(self.device)
        learner.to(device).eval()
        parts = np.array_split(np.arange(len(self.target)), self.group.size)
        with products_on(device, "float32"):
            features = self.group.gather(_features(learner, self.target.part(parts[self.group.rank]), device))
        weights, bias = learner.class_weights.detach().cpu().numpy().copy(), learner.head.bias
        learner.hook.remove()
        self.module.to("cpu")
        offsets = bias.detach().cpu().numpy().copy() if isinstance(bias, Tensor) else np.zeros(len(weights), np.float32)
        return ModelOutputs(np.concatenate(features), weights, offsets)

    def save(self, folder: Path) -> None:
        """Writes `weights.safetensors`."""
        save_weights(self.module, folder / FILE)

    def restore(self, folder: Path) -> None:
        """Loads that file."""
        load_weights(self.module, read_weights(folder / FILE).tensors, source=str(folder / FILE))

    def _with(self, pseudo: PseudoLabelled) -> LabelledImages:
        """The source and the selected images, with soft labels."""
        hard = torch.nn.functional.one_hot(torch.as_tensor(self.source.labels).long(), self.num_classes).float()
        goals = torch.cat([hard, torch.from_numpy(pseudo.targets)])
        images = Stacked(self.source, self.target.part(pseudo.rows))
        return LabelledImages(images, goals, self.source.mean, self.source.std)


def _digest(pseudo: PseudoLabelled | None) -> str:
    """Identifies what a round trains on: on a GPU a selection may differ when a run resumes after a kill."""
    if pseudo is None:
        return ""
    content = np.stack([pseudo.rows, pseudo.targets.argmax(axis=1)])
    return f"-{hashlib.sha256(content.tobytes()).hexdigest()[:8]}"


@torch.inference_mode()
def _features(learner: Learner, images: LabelledImages, device: torch.device) -> np.ndarray:
    """Embeddings (n, D) of images."""
    batches = images.batches(device, learner.class_weights.dtype)
    return np.concatenate([learner(batch)[0].float().cpu().numpy() for _, batch in batches])


def set_up(workspace: Workspace, settings: Settings, progress: Progress, group: ProcessGroup) -> TrainerSetup:
    """The whole network on images, which are decoded here once."""
    if settings.model is None:
        raise CurateError("the whole network is to be trained: name it by --model")
    subsets = domains(workspace, settings)
    classes = len(subsets[0].dataset.record.classes)
    device, model = find_device(settings.device), _network(settings, classes)
    recipe = _recipe(settings, model)
    caches = image_caches(workspace, subsets, model.preprocess)
    (source, source_images), (target, target_images) = decode_images(subsets, caches, group, progress)

    def progress_of(number: int) -> Progress:
        rounds, n = settings.most_rounds, len(target.ids)

        def tell(done: int, total: int, message: str) -> None:
            done_rounds = number + done / total
            progress.report(int(done_rounds * n), (rounds + 1) * n, f"round {number} of {rounds}, {message}")

        return progress.through(tell)

    def make_trainer(folder: SelfTrainingFolder) -> FullTrainer:
        return FullTrainer(
            model.module,
            source_images,
            target_images,
            num_classes=classes,
            recipe=recipe,
            checkpoints=folder.root,
            head=model.head_name,
            device=device,
            group=group,
            progress=progress_of,
        )

    about = {
        "model": settings.model,
        "weights_sha256": model.weights_sha256,
        "weights_source": model.source,
        "head": model.head_name,
        "preprocess": asdict(model.preprocess),
        "trainer": "full",
        "recipe": {name: value for name, value in as_numbers(recipe).items() if name != "seed"},
        "device": str(device),
        "precision": recipe.precision,
    }
    return TrainerSetup(source, target, about, make_trainer)


def _network(settings: Settings, classes: int) -> NewModel:
    """The network to train, with the weights of a file, its published ones, or random ones."""
    name = str(settings.model)
    file = settings.weights if isinstance(settings.weights, Path) else None
    published = settings.weights is None and find_architecture(name).pretrained is not None
    return new_model(ModelSpec(name=name, weights=file, seed=settings.seed), classes, pretrained=published)


def _recipe(settings: Settings, model: NewModel) -> Recipe:
    """The recipe with the seed and precision of the settings, and augmentation by the network's input."""
    assert isinstance(settings.how, Recipe)
    precision = settings.how.precision if settings.precision == "auto" else settings.precision
    crop, flip = model.preprocess.crop // 8, model.preprocess.channels == 3
    return replace(settings.how, seed=settings.seed, precision=precision, crop_padding=crop, flip=flip)
