"""The maths: flat functions over NumPy arrays or torch tensors on any device; results are of the same kind.

>>> import numpy as np
>>> features, class_weights = np.array([[1.0, 1.0]]), np.array([[1.0, 0.0], [-1.0, 0.0]])
>>> avh(features, class_weights, np.array([0])).round(6)  # 45 of 45 + 135 degrees
array([0.25])
"""

from avhcurate import plugins
from avhcurate.measures.scores.angular import angles, avc, parent_avh, prototype_distance
from avhcurate.measures.scores.blocks import (
    angular_gap,
    avh,
    class_angular_gap,
    confidence,
    el2n,
    entropy,
    grand,
    loss,
    margin,
    max_confidence,
    norm,
    per_sample,
    prototypes,
    relative_avh,
    target_angle,
)
from avhcurate.measures.scores.formulas import Batch
from avhcurate.measures.scores.prototypes import ClassSums, class_sums, prototype_angles
from avhcurate.measures.scores.score import Needs, Score, of_plugin
from avhcurate.measures.scores.table import PREDICTIONS, SCORES

__all__ = [
    "PREDICTIONS",
    "SCORES",
    "Batch",
    "ClassSums",
    "Needs",
    "Score",
    "angles",
    "angular_gap",
    "avc",
    "avh",
    "class_angular_gap",
    "class_sums",
    "confidence",
    "el2n",
    "entropy",
    "grand",
    "loss",
    "margin",
    "max_confidence",
    "norm",
    "parent_avh",
    "per_sample",
    "prototype_angles",
    "prototype_distance",
    "prototypes",
    "relative_avh",
    "target_angle",
]

# Last, since a plugin's module imports this one.
SCORES.update(plugins.load("scores", of_plugin, taken={*SCORES, *plugins.COLUMN_NAMES}))
