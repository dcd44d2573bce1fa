"""A score: how close the second nearest class is to the nearest."""

from avhcurate.scores import Batch, Score


def _ratio(batch: Batch):
    nearest = batch.xp.sort(batch.angles, axis=1)
    return nearest[:, 0] / nearest[:, min(1, nearest.shape[1] - 1)]  # of a single class: the nearest is both


rivalry = Score(
    key="rivalry",
    name="Rivalry",
    formula=r"\mathcal{A}_{(1)} / \mathcal{A}_{(2)}",
    sentence="Smallest angle to a class over the second smallest; 1 where two classes are equally near.",
    harder="high",
    needs="class_weights",
    needs_label=False,
    reference="the example plugin",
    function=_ratio,
)
