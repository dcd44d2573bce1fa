"""The options of the toy."""

from typing import Literal

from avhcurate.workspace.data.settings import VerbSettings, option

LOSSES = ("softmax", "avh")


class ToySettings(VerbSettings):
    """Overlapping Gaussians, a small network, and how AVH and norm follow the exact Bayes error.

    >>> ToySettings(classes=3, loss="avh").argv
    ['toy', '--loss=avh', '--classes=3']
    """

    verb = "toy"
    loss: Literal["softmax", "avh"] = option("softmax", "Loss of the network.")
    overlap: float = option(
        0.6, "Standard deviation of a class over half the distance of neighbouring centres.", low=0.2, high=2.0
    )
    noise: float = option(
        0.0, "Share of labels that are replaced by another class at random.", low=0.0, high=0.4, label="Label noise"
    )
    classes: int = option(2, "Gaussians, evenly on the equator of the sphere.", low=2, high=8)
    epochs: int = option(40, "Passes over the 1,000 training points, in batches of 64.", low=5, high=100)
    seed: int = option(0, "Seed of the data, the weights and the order of training.", low=0, high=9999)
