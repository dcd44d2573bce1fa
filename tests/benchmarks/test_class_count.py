"""The number of classes beside degradation: scores of a smaller head, and what the table says of made-up photos."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import class_count

KINDS = np.array(["none", "noise", "noise", "noise", "blur", "blur", "blur"])


def photo(rng, label=3):
    """Features that turn away from the label's weights with the level of noise, and not with that of the blur."""
    angles = np.array([0.1, 0.3, 0.5, 0.7, 0.35, 0.15, 0.25])
    features = np.zeros((len(KINDS), 6))
    features[:, label], features[:, 0] = np.cos(angles), np.sin(angles)
    features *= rng.uniform(1, 2, (len(KINDS), 1))
    return class_count.Degraded(features, 3 * features, label)


def test_agreement_is_spearman_with_the_level_mean_over_kinds():
    found = class_count.agreements(photo(np.random.default_rng(0)), np.eye(6), np.array([0, 3]), KINDS)
    blur = stats.spearmanr([0.1, 0.35, 0.15, 0.25], range(4))[0]
    assert found["avh"] == pytest.approx((1 + blur) / 2)
    assert set(found) == {"avh", "angular_gap", "margin", "confidence"}


def test_the_label_keeps_its_place_in_a_head_of_other_classes():
    rng = np.random.default_rng(1)
    one = photo(rng)
    small = class_count.agreements(one, np.eye(6), np.array([0, 2, 3]), KINDS)
    turned = class_count.Degraded(one.features[:, ::-1], one.logits[:, ::-1], 2)  # class 3 of six, counted from the end
    assert class_count.agreements(turned, np.eye(6), np.array([2, 3, 5]), KINDS) == pytest.approx(small)


def test_every_photo_has_a_row_for_each_number_of_classes(monkeypatch):
    monkeypatch.setattr(class_count, "CLASS_COUNTS", (2, 4, 100))
    rng = np.random.default_rng(2)
    found = class_count.measured((photo(rng, label) for label in (3, 4)), np.eye(6), KINDS)
    assert found[["photo", "classes"]].to_numpy().tolist() == [[p, c] for p in (0, 1) for c in (2, 4, 6)]
    assert "| AVH | 4 |" in class_count.report(found)


def test_the_table_tells_a_lead_from_none():
    rng = np.random.default_rng(3)
    found = pd.DataFrame(
        [
            {"photo": p, "classes": c, "avh": level + lead, "angular_gap": level + rng.normal(0, 0.1)}
            | {"margin": level, "confidence": level}
            for p in range(60)
            for c, lead in ((2, 0.0), (10, 0.1))
            for level in [rng.uniform(0.5, 0.8)]
        ]
    )
    rows = {tuple(line.strip("| ").split(" | ")[:2]): line for line in class_count.report(found).splitlines()[2:]}
    assert "+0.100 (+0.100 to +0.100)" in rows["AVH", "10"]
    assert rows["AVH", "2"].endswith("| 1 |")
    assert "+0.100" in rows["AVH", "10 less 2"]
    assert float(rows["Angular gap", "2"].strip("| ").split(" | ")[-1]) > 0.05
