"""Self-training of a probe: a head on frozen features."""

from pathlib import Path

import numpy as np

from avhcurate.pseudo_labels.model_outputs import ModelOutputs
from avhcurate.self_training.loop import PseudoLabelled
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
        """See `self_training.Trainer`."""
        features, goals = self.source, self.goals
        if pseudo is not None:
            features = np.concatenate([features, self.target[pseudo.rows]])
            goals = np.concatenate([goals, pseudo.targets])
        chance = np.random.SeedSequence([self.seed, round]).generate_state(1)
        self.head = train_probe(
            features,
            goals,
            num_classes=goals.shape[1],
            recipe=self.recipe,
            seed=int(chance[0]),
            start=self.head,
        )

    def outputs(self) -> ModelOutputs:
        """See `self_training.Trainer`."""
        assert self.head is not None
        return ModelOutputs(self.head.embed(self.target), self.head.class_weights, self.head.bias)

    def save(self, folder: Path) -> None:
        """Writes `head.safetensors`."""
        assert self.head is not None
        self.head.save(folder / FILE)

    def restore(self, folder: Path) -> None:
        """Loads that file."""
        self.head = ProbeHead.load(folder / FILE)
