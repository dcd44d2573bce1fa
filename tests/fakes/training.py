"""A recorded training: a real one of some seconds on the digits, which leaves what `avhcurate train` would."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from avhcurate import scores
from avhcurate.networks.models.loading import ModelSpec
from avhcurate.networks.models.own import DIGITS_MEAN, DIGITS_STD, DigitsNet
from avhcurate.networks.scoring.service import score_dataset
from avhcurate.networks.training.digits import read_digits
from avhcurate.workspace.data.trainings import SAMPLE_COLUMNS, EpochEval, TrainingFolder, TrainingRecord
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.files import sha256

#: Samples learnt from that are recorded.
LEARNT = 120


def record_training(
    root: Path, *, epochs: int, seed: int = 0, images: int = 901, stop_after: int | None = None
) -> TrainingFolder:
    """Trains on so many `images` of the training half; records the other half and `LEARNT` of them at each epoch.

    When it finishes, its weights get a scored run; after `stop_after` epochs it is left unfinished.
    """
    workspace, digits = Workspace(root), read_digits()
    dataset = workspace.dataset("digits")
    pictures = torch.from_numpy((digits.images / 255 - DIGITS_MEAN[0]) / DIGITS_STD[0]).float()[:, None]
    labels = torch.from_numpy(digits.labels)
    on = torch.from_numpy(np.flatnonzero(digits.split == "train")[:images])
    ids, learnt = np.flatnonzero(digits.split == "test"), on.numpy()[:LEARNT]
    record = TrainingRecord(
        name=f"avhcurate-digits-cross-entropy-{seed}-{seed:08x}",
        model="avhcurate:digits",
        loss="cross-entropy",
        recipe={"learning_rate": 0.05, "batch_size": 64},
        seed=seed,
        epochs=epochs,
        drops=[epochs * 0.6],
        dataset="digits",
        dataset_fingerprint=dataset.record.fingerprint,
        train_where="split = 'train'",
        train_samples=len(on),
        held_out="digits",
        held_out_fingerprint=dataset.record.fingerprint,
        held_out_where="split = 'test'",
        held_out_samples=len(ids),
        classes=list("0123456789"),
        num_classes=10,
        parameters=0,
        device="cpu",
        precision="float32",
        versions={},
        started=datetime(2026, 1, 1, 0, seed, tzinfo=UTC),
    )
    folder = TrainingFolder(dataset.root / "training" / record.name)
    folder.create(record, ids, learnt)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = DigitsNet()
        optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [round(epochs * 0.6)], 0.1)

        def evaluated(ids: np.ndarray) -> dict[str, np.ndarray]:
            module.eval()
            seen: list[torch.Tensor] = []
            hook = module.head.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
            with torch.inference_mode():
                logits = module(pictures[ids]).numpy()
                weights = module.head.weight.numpy()
            hook.remove()
            columns = scores.per_sample(seen[0].numpy(), weights, logits, digits.labels[ids])
            columns["correct"] = columns["predicted"] == digits.labels[ids]
            module.train()
            return {name: columns[name] for name in SAMPLE_COLUMNS}

        def look(epoch: int, loss: float | None) -> None:
            rate, step = optimizer.param_groups[0]["lr"], epoch * -(-len(on) // 64)
            both = evaluated(ids), evaluated(learnt)
            folder.append(EpochEval(float(epoch), step, epoch * 0.5, rate, loss, None, *both))

        look(0, None)
        for epoch in range(1, (stop_after or epochs) + 1):
            losses = []
            for batch in on[torch.randperm(len(on))].split(64):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(module(pictures[batch]), labels[batch])
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            schedule.step()
            look(epoch, sum(losses) / len(losses))
    if stop_after is None:
        save_file(module.state_dict(), folder.weights_path)
        folder.finish(sha256(folder.weights_path))
        score_dataset(workspace, "digits", ModelSpec(name=record.model, weights=folder.weights_path))
    return folder
