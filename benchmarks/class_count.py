"""Whether more classes bring angles past softmax: `python -m benchmarks.class_count --data FILE`.

Photos degraded as `avhcurate degrade` degrades them stand in for votes: a score of hardness should rise with the level,
image by image. The scores are those of a network whose head keeps the label's class and others drawn by chance, 2
classes in all, 10, 100 or every one: angles to their weights, softmax over their logits. The unit is the photo, the
mean over its draws; differences of its Spearman correlations with the level are paired, p-values are Holm's over all.

    python -m benchmarks.class_count --data imagenet_sample_300.parquet --model efficientnet-lite0
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy import stats

from avhcurate import scores
from avhcurate.degradation.corruptions import KINDS, steps, strengths, variants
from avhcurate.degradation.statistics import ORIGINAL, spearman_with_level
from avhcurate.images.decoding import decode
from avhcurate.models.loading import LoadedModel, ModelSpec, load_model
from avhcurate.scores import SCORES
from avhcurate.stats.intervals import mean_over_seeds
from avhcurate.stats.multiple_testing import holm
from benchmarks.fresh_ground import features_of
from benchmarks.markdown import table as markdown

#: Numbers of classes beside all, and how many heads of so many are drawn for each photo.
CLASS_COUNTS, DRAWS = (2, 10, 100), 10
#: Compared with confidence.
KEYS = ("avh", "angular_gap", "margin")


class Degraded(NamedTuple):
    """Outputs for one photo at every step: features (steps, D), logits (steps, K), and its label."""

    features: np.ndarray
    logits: np.ndarray
    label: int


def outputs(path: Path, model: LoadedModel) -> Iterator[Degraded]:
    """One photo after the other."""
    shape = model.preprocess
    levels = strengths(KINDS, shape.crop)
    table = pq.read_table(path, columns=["image", "label"])
    for id, (image, label) in enumerate(zip(table["image"].to_pylist(), table["label"].to_pylist(), strict=True)):
        images = variants(shape.prepare(np.asarray(decode(image["bytes"]))), levels, seed=0, id=id)
        features = features_of(model.module, images, shape.mean, shape.std)
        yield Degraded(features, features @ model.class_weights.T + model.bias, int(label))


def agreements(photo: Degraded, class_weights: np.ndarray, classes: np.ndarray, kinds: np.ndarray) -> dict[str, float]:
    """Spearman with the level, turned so that positive is what hardness should do: by score, the mean over kinds.

    `classes` are those of the head, in order, the label among them. A score that is the same at every level of a kind
    follows it not at all: 0.
    """
    keys = (*KEYS, "confidence")
    label = np.full(len(photo.features), np.searchsorted(classes, photo.label))
    found = scores.per_sample(photo.features, class_weights[classes], photo.logits[:, classes], label, keys=keys)
    total = dict.fromkeys(keys, 0.0)
    chosen = [kind for kind in dict.fromkeys(kinds) if kind != ORIGINAL]
    for kind in chosen:
        rows = np.isin(kinds, [ORIGINAL, kind])
        for key in keys:
            rho = spearman_with_level(np.asarray(found[key], float)[None, rows])[0]
            total[key] += np.nan_to_num(rho) * (1 if SCORES[key].harder == "high" else -1) / len(chosen)
    return total


def measured(photos: Iterator[Degraded], class_weights: np.ndarray, kinds: np.ndarray) -> pd.DataFrame:
    """A row a photo and number of classes: `photo, classes`, and the mean agreement of each score over the draws."""
    total, rows = len(class_weights), []
    for number, photo in enumerate(photos):
        others = np.delete(np.arange(total), photo.label)
        for count in [*(count for count in CLASS_COUNTS if count < total), total]:
            rng = np.random.default_rng((count, number))
            drawn = [rng.permutation(others)[: count - 1] for _ in range(DRAWS if count < total else 1)]
            found = [agreements(photo, class_weights, np.sort(np.append(one, photo.label)), kinds) for one in drawn]
            rows.append({"photo": number, "classes": count, **pd.DataFrame(found).mean()})
    return pd.DataFrame(rows)


def report(found: pd.DataFrame) -> str:
    """Agreement with the level by number of classes, and what each score is ahead of confidence."""
    wide = {key: found.pivot_table(index="photo", columns="classes", values=key) for key in (*KEYS, "confidence")}
    counts = list(wide["confidence"].columns)
    leads = {(key, count): wide[key][count] - wide["confidence"][count] for key in KEYS for count in counts}
    # What more classes change: all of them less the fewest.
    trends = {key: leads[key, counts[-1]] - leads[key, counts[0]] for key in KEYS}
    tested = [*leads.values(), *trends.values()]
    corrected = iter(holm([stats.ttest_1samp(lead, 0).pvalue if np.ptp(lead) else 1.0 for lead in tested]))
    rows = []
    for key in KEYS:
        for count in counts:
            cells = (f"{wide[one][count].mean():.3f}" for one in (key, "confidence"))
            rows.append([SCORES[key].name, str(count), *cells, _lead(leads[key, count]), f"{next(corrected):.2g}"])
    for key in KEYS:
        rows.append([SCORES[key].name, f"{counts[-1]} less {counts[0]}", "", "", _lead(trends[key])])
        rows[-1].append(f"{next(corrected):.2g}")
    header = ["score", "classes", "agreement", "confidence's", f"ahead by, n = {len(tested[0])} photos", "p (Holm)"]
    return markdown(header, rows)


def _lead(values: pd.Series) -> str:
    mean = mean_over_seeds(values)
    return f"{mean.value:+.3f} ({mean.low:+.3f} to {mean.high:+.3f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Parquet file with image bytes and label")
    parser.add_argument("--model", default="efficientnet-lite0")
    options = parser.parse_args(arguments)
    labels = pq.read_table(options.data, columns=["label"])["label"].to_numpy()
    model = load_model(ModelSpec(name=options.model))
    kinds = np.array([kind for kind, _ in steps(strengths(KINDS, model.preprocess.crop))])
    found = measured(outputs(options.data, model), model.class_weights, kinds)
    print(f"{options.model}, {len(labels)} photos\n\n{report(found)}")


if __name__ == "__main__":
    main()
