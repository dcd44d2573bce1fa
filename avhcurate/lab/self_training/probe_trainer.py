"""Self-training of a probe: a head on frozen features."""

from pathlib import Path

import numpy as np

from avhcurate.features.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.lab.self_training.domains import domains, paired_runs
from avhcurate.lab.self_training.loop import PseudoLabelled, TrainerSetup
from avhcurate.lab.self_training.probe import ProbeHead, ProbeRecipe, train_probe
from avhcurate.lab.self_training.settings import SelfTrainSettings
from avhcurate.workspace.data.self_trainings import SelfTrainingFolder
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Progress

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
        self.source = source
        self.target = target
        self.goals = np.eye(num_classes, dtype=np.float32)[labels]
        self.recipe = recipe
        self.seed = seed
        self.head: ProbeHead | None = None

    def fit(self, round: int, pseudo: PseudoLabelled | None) -> None:
        """See `self_training.loop.Trainer`."""
        features = self.source
        goals = self.goals
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
    chosen = recipe or ProbeRecipe(epochs=settings.epochs, learning_rate=rate)
    run = runs[1].record
    names = ("model", "weights_sha256", "weights_source", "head", "preprocess", "code", "device", "precision")
    about = {
        "source_run": runs[0].name,
        "target_run": runs[1].name,
        "trainer": "probe",
        "recipe": vars(chosen),
        **{name: getattr(run, name) for name in names},
    }

    def make_trainer(_: SelfTrainingFolder) -> ProbeTrainer:
        return ProbeTrainer(
            runs[0].features_of(source.ids),
            source.labels,
            runs[1].features_of(target.ids),
            num_classes=len(source.dataset.record.classes),
            recipe=chosen,
            seed=settings.seed,
        )

    return TrainerSetup(source, target, about, make_trainer)
