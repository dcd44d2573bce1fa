"""Self-training of a probe: a head on frozen features."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np

from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.lab.self_training.domains import domains, paired_runs
from avhcurate.lab.self_training.loop import PseudoLabelled, TrainerSetup, seed_of_round
from avhcurate.lab.self_training.probe import ProbeHead, ProbeRecipe, train_probe
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Progress

#: The file of a round's weights.
FILE = "head.safetensors"


@dataclass
class ProbeTrainer:
    """Trains a head on features (n, D) and labels (n,) of the source, and on selected features of the target (N, D).

    Angles are taken at the input of the head's last layer.
    """

    source: np.ndarray
    labels: np.ndarray
    target: np.ndarray
    _: KW_ONLY
    num_classes: int
    recipe: ProbeRecipe
    seed: int
    head: ProbeHead | None = None

    def fit(self, round: int, pseudo: PseudoLabelled | None) -> None:
        """See `self_training.loop.Trainer`."""
        features = self.source
        goals = np.eye(self.num_classes, dtype=np.float32)[self.labels]
        if pseudo is not None:
            features = np.concatenate([features, self.target[pseudo.rows]])
            goals = np.concatenate([goals, pseudo.targets])
        self.head = train_probe(
            features,
            goals,
            num_classes=self.num_classes,
            recipe=self.recipe,
            seed=seed_of_round(self.seed, round),
            start=self.head,
        )

    def outputs(self) -> ModelOutputs:
        """See `self_training.loop.Trainer`."""
        assert self.head is not None
        return ModelOutputs(self.target, self.head.class_weights, self.head.bias, embed=self.head.embed)

    def save(self, folder: Path) -> None:
        """Write `head.safetensors`."""
        assert self.head is not None
        self.head.save(folder / FILE)

    def restore(self, folder: Path) -> None:
        """Load that file."""
        self.head = ProbeHead.load(folder / FILE)


def set_up(
    workspace: Workspace, settings: SelfTrainSettings, recipe: ProbeRecipe | None, progress: Progress
) -> TrainerSetup:
    """Prepare a head on the features of two runs, which are scored first where they are missing."""
    runs = paired_runs(workspace, settings, progress)
    source, target = domains(workspace, settings, runs)
    rate = settings.learning_rate or ProbeRecipe.learning_rate
    recipe = recipe or ProbeRecipe(epochs=settings.epochs, learning_rate=rate)
    names = ("model", "weights_sha256", "weights_source", "head", "preprocess", "code", "device", "precision")
    about = {
        "source_run": runs[0].name,
        "target_run": runs[1].name,
        "trainer": "probe",
        "recipe": vars(recipe),
        **runs[1].record.model_dump(include={*names}),
    }

    def make_trainer(_: SelfTrainingFolder) -> ProbeTrainer:
        return ProbeTrainer(
            runs[0].features_of(source.ids),
            source.labels,
            runs[1].features_of(target.ids),
            num_classes=len(source.dataset.record.classes),
            recipe=recipe,
            seed=settings.seed,
        )

    return TrainerSetup(source, target, about, make_trainer)
