"""Self-training of a probe: a head on frozen features."""

from pathlib import Path

import numpy as np

from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Progress
from avhcurate.errors import CurateError
from avhcurate.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.self_training.domains import domains, paired_runs
from avhcurate.self_training.loop import PseudoLabelled
from avhcurate.self_training.settings import Settings, TrainerSetup
from avhcurate.training.distributed import ProcessGroup
from avhcurate.training.probe import ProbeHead, ProbeRecipe, train_probe

#: The file of a round's weights.
FILE = "head.safetensors"


class ProbeTrainer:
    """Trains a head on features (n, D) and labels (n,) of the source, and on selected features of the target (N, D).

    Angles are taken at the input of the head's last layer.
    """

    def __init__(
        self,
        source: np.ndarray,
        labels: np.ndarray,
        target: np.ndarray,
        *,
        num_classes: int,
        recipe: ProbeRecipe,
        seed: int,
    ) -> None:
        self.source, self.target = source, target
        self.goals = np.eye(num_classes, dtype=np.float32)[labels]
        self.recipe, self.seed = recipe, seed
        self.head: ProbeHead | None = None

    def fit(self, round: int, pseudo: PseudoLabelled | None) -> None:
        """See `self_training.loop.Trainer`."""
        features, goals = self.source, self.goals
        if pseudo is not None:
            features = np.concatenate([features, self.target[pseudo.rows]])
            goals = np.concatenate([goals, pseudo.targets])
        seed = int(np.random.SeedSequence([self.seed, round]).generate_state(1)[0])
        self.head = train_probe(
            features, goals, num_classes=goals.shape[1], recipe=self.recipe, seed=seed, start=self.head
        )

    def outputs(self) -> ModelOutputs:
        """See `self_training.loop.Trainer`."""
        assert self.head is not None
        return ModelOutputs(self.head.embed(self.target), self.head.class_weights, self.head.bias)

    def save(self, folder: Path) -> None:
        """Writes `head.safetensors`."""
        assert self.head is not None
        self.head.save(folder / FILE)

    def restore(self, folder: Path) -> None:
        """Loads that file."""
        self.head = ProbeHead.load(folder / FILE)


def set_up(workspace: Workspace, settings: Settings, progress: Progress, group: ProcessGroup) -> TrainerSetup:
    """A head on the features of two runs, which are scored first where they are missing."""
    if group.size > 1:
        raise CurateError("a probe is trained by one process: leave torchrun out")
    runs = paired_runs(workspace, settings, progress)
    source, target = domains(workspace, settings, runs)
    recipe = settings.how if isinstance(settings.how, ProbeRecipe) else ProbeRecipe()
    run = runs[1].record
    about = {
        "source_run": runs[0].name,
        "target_run": runs[1].name,
        "trainer": "probe",
        "recipe": vars(recipe),
        **{key: getattr(run, key) for key in ("model", "weights_sha256", "weights_source", "head")},
        **{key: getattr(run, key) for key in ("preprocess", "device", "precision")},
    }

    def make_trainer(_: object) -> ProbeTrainer:
        features = [one.features_of(part.ids) for one, part in zip(runs, (source, target), strict=True)]
        size = len(source.dataset.record.classes)
        return ProbeTrainer(
            features[0], source.labels, features[1], num_classes=size, recipe=recipe, seed=settings.seed
        )

    return TrainerSetup(source, target, about, make_trainer)
