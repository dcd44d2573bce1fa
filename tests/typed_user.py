"""What an editor knows of the public interface: `make types` reads it with mypy, nothing runs it."""

from typing import Any, assert_type

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import DataLoader, WeightedRandomSampler

import avhcurate
from avhcurate import scores
from avhcurate.notebook.dataset import Dataset
from avhcurate.training.losses import AVHLoss


def of_a_dataset(images: np.ndarray, labels: np.ndarray) -> None:
    pets = avhcurate.dataset("pets", images, labels)
    assert_type(pets, Dataset)
    assert_type(avhcurate.open("workspace", "pets"), Dataset)
    assert_type(avhcurate.from_hf("pets", "owner/pets"), Dataset)
    assert_type(pets.votes(labels).score("efficientnet-lite0", head="fit", folds=3, mean=0.5), Dataset)
    assert_type(pets.suspects(sources=["angular", "votes"], limit=3), pd.DataFrame)
    assert_type(pets.quality(near=0.98).attrs["harder"], Any)
    assert_type(pets[3], dict[str, Any])
    assert_type(pets[[3, 5]], pd.DataFrame)
    assert_type(pets[pets["avh"] > 0.1], pd.DataFrame)
    assert_type(pets[:9], pd.DataFrame)
    assert_type([record["id"] for record in pets], list[Any])
    assert_type(pets.image(3), Image.Image)
    samples = pets.to_torch("label = 1", weights="avh", ids=True)
    assert_type(samples[0], tuple[Any, int, int])
    assert_type(pets.to_torch(weights=images)[0], tuple[Any, int])
    sampler = WeightedRandomSampler(samples.weights, len(samples))
    loader = DataLoader(samples, batch_size=32, sampler=sampler, num_workers=2)
    assert_type(loader, DataLoader[tuple[Any, int, int]])
    for batch, _, ids in loader:
        pets.heard(ids, batch, name="resnet18")
    assert_type(pets.relabel(pets.suspects().head(3), "cat"), int)
    pets.score("efficientnet-lite0", hed="fit")  # type: ignore[call-arg]
    pets.attach(probs=images, nme="mine")  # type: ignore[call-arg]
    pets.predict(level="high")  # type: ignore[arg-type]
    pets.suspects(limit="3")  # type: ignore[arg-type]
    pets.select("loss")  # type: ignore[arg-type]


def of_the_scores(features: np.ndarray, class_weights: np.ndarray, labels: np.ndarray) -> None:
    assert_type(scores.avh(features, class_weights, labels), np.ndarray)
    assert_type(scores.angles(torch.ones(3, 4), torch.ones(2, 4)), torch.Tensor)
    assert_type(scores.per_sample(features, class_weights, labels=labels), dict[str, np.ndarray])
    assert_type(AVHLoss(scale=2.0), AVHLoss)
    scores.avh("features", class_weights, labels)  # type: ignore[type-var]
