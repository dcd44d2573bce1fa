"""Angles, AVH and AVC against a float64 reference, their invariances, and what happens at the edges."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avhcurate import scores
from avhcurate.errors import CurateError
from tests.fakes.refusals import refused

KINDS = [np.asarray, torch.from_numpy]


def reference_angles(features, class_weights):
    """Kahan's formula on unit vectors in float64, one pair at a time."""
    result = np.empty((len(features), len(class_weights)))
    for i, x in enumerate(np.asarray(features, dtype=np.float64)):
        for k, w in enumerate(np.asarray(class_weights, dtype=np.float64)):
            u, v = x / np.sqrt((x**2).sum()), w / np.sqrt((w**2).sum())
            result[i, k] = 2 * np.arctan2(np.sqrt(((u - v) ** 2).sum()), np.sqrt(((u + v) ** 2).sum()))
    return result


def random_problem(seed=0, n=40, k=7, d=33, dtype=np.float32):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(n, d)).astype(dtype),
        rng.normal(size=(k, d)).astype(dtype),
        rng.normal(size=(n, k)).astype(dtype) * 3,
        rng.integers(0, k, n),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tilt", [0.0, 1e-5, 0.1])
@pytest.mark.parametrize("side", [1, -1])
def test_angles_are_accurate_to_a_microradian_in_float32_near_parallel_and_opposite(kind, tilt, side):
    rng = np.random.default_rng(1)
    class_weights = rng.normal(size=(3, 2048))
    across = rng.normal(size=(3, 2048))
    across -= (across * class_weights).sum(1, keepdims=True) / (class_weights**2).sum(1, keepdims=True) * class_weights
    across *= np.linalg.norm(class_weights, axis=1, keepdims=True) / np.linalg.norm(across, axis=1, keepdims=True)
    features = (side * (np.cos(tilt) * class_weights + np.sin(tilt) * across) * 17).astype(np.float32)
    class_weights = class_weights.astype(np.float32)
    got = np.asarray(scores.angles(kind(features), kind(class_weights)))
    assert np.abs(got - reference_angles(features, class_weights)).max() < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_every_angular_score_equals_its_definition(kind):
    features, class_weights, logits, labels = random_problem(dtype=np.float64)
    theta = reference_angles(features, class_weights)
    rows = np.arange(len(labels))
    target = theta[rows, labels]
    others = theta.copy()
    others[rows, labels] = np.inf
    closeness = np.pi - theta
    expected = {
        "avh": target / theta.sum(1),
        "relative_avh": target / theta.mean(1),
        "target_angle": target,
        "angular_gap": target - others.min(1),
        "avc": (closeness / closeness.sum(1, keepdims=True))[rows, logits.argmax(1)],
        "norm": np.sqrt((features**2).sum(1)),
    }
    for size in (None, 7):
        got = scores.per_sample(kind(features), kind(class_weights), kind(logits), kind(labels), block_size=size)
        assert np.asarray(got["predicted"]).tolist() == logits.argmax(1).tolist()
        for key, value in expected.items():
            assert isinstance(got[key], type(kind(features)))
            np.testing.assert_allclose(np.asarray(got[key]), value, atol=1e-12, err_msg=key)
    for function in (scores.avh, scores.relative_avh, scores.target_angle, scores.angular_gap):
        value = function(kind(features), kind(class_weights), kind(labels))
        np.testing.assert_allclose(np.asarray(value), expected[function.__name__], atol=1e-12)
    np.testing.assert_allclose(scores.avc(features, class_weights).sum(1), 1)


@settings(max_examples=12, deadline=None)
@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 1000))
def test_scaling_rotating_and_permuting_change_no_angle_score(scale, seed):
    features, class_weights, logits, labels = random_problem(seed, dtype=np.float64)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(33, 33)))
    order = np.random.default_rng(seed + 1).permutation(len(class_weights))
    keys = ["avh", "relative_avh", "target_angle", "angular_gap", "avc"]
    before = scores.per_sample(features, class_weights, logits, labels, keys=keys)
    after = scores.per_sample(
        scale * features @ rotation,
        class_weights[order] @ rotation * np.linspace(0.5, 2, len(order))[:, None],
        logits[:, order],
        np.argsort(order)[labels],
        keys=keys,
    )
    for key in keys:
        np.testing.assert_allclose(after[key], before[key], atol=1e-9, err_msg=key)


def test_a_zero_or_non_finite_embedding_has_no_angle_and_leaves_the_others_alone():
    features, class_weights, _, labels = random_problem()
    expected = scores.avh(features, class_weights, labels)
    spoilt = features.copy()
    spoilt[3], spoilt[5, 0], spoilt[7, 0] = 0, np.nan, np.inf
    got = scores.avh(spoilt, class_weights, labels)
    assert np.isnan(got[[3, 5, 7]]).all()
    rest = np.delete(np.arange(len(got)), [3, 5, 7])
    np.testing.assert_allclose(got[rest], expected[rest], rtol=1e-6)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf])
def test_a_class_weight_without_direction_and_a_label_out_of_range_are_refused_with_their_place(bad):
    features, class_weights, _, labels = random_problem()
    for label in (7, -2, 1000):
        wrong = np.where(np.arange(40) == 11, label, labels)
        with refused("0 to 6", label, 11):
            scores.avh(features, class_weights, wrong)
    class_weights[4] = bad
    with pytest.raises(CurateError, match="Row 4"):
        scores.angles(features, class_weights)


def test_one_class_is_defined():
    features = np.array([[1.0, 0.0], [0.0, 2.0]])
    got = scores.per_sample(features, np.array([[1.0, 0.0]]), np.array([[1.0], [2.0]]), np.array([0, 0]))
    assert got["avh"].tolist() == [1.0, 1.0]
    assert got["avc"].tolist() == [1.0, 1.0]
    assert got["confidence"].tolist() == [1.0, 1.0]
    assert got["loss"].tolist() == got["el2n"].tolist() == got["entropy"].tolist() == [0.0, 0.0]
    assert np.isnan(got["angular_gap"]).all()
    assert np.isnan(got["margin"]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_no_samples_give_empty_columns(kind):
    features, class_weights, logits, labels = random_problem(n=0)
    got = scores.per_sample(kind(features), kind(class_weights), kind(logits), kind(labels))
    assert {key for key, score in scores.SCORES.items() if score.function and score.needs != "prototypes"} < set(got)
    assert {tuple(value.shape) for value in got.values()} == {(0,)}
    assert scores.angles(kind(features), kind(class_weights)).shape == (0, 7)


def test_without_a_label_the_label_scores_are_missing_and_the_rest_stand():
    features, class_weights, logits, labels = random_problem()
    full = scores.per_sample(features, class_weights, logits, labels)
    labels[2] = -1
    got = scores.per_sample(features, class_weights, logits, labels)
    for key, score in scores.SCORES.items():
        if key in got:
            assert np.isnan(got[key][2]) == score.needs_label, key
            np.testing.assert_array_equal(np.delete(got[key], 2), np.delete(full[key], 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, w, z, y: (f[:, :5], w, z, y), "5 wide"),
        (lambda f, w, z, y: (f[0], w, z, y), "two dimensions"),
        (lambda f, w, z, y: (f, w[:0], z, y), "no rows"),
        (lambda f, w, z, y: (f, w, z[:, :3], y), "logits must have shape"),
        (lambda f, w, z, y: (f, w, z, y[:4]), "labels must have shape"),
        (lambda f, w, z, y: (f, w, z, y + 0.5), "class indices"),
        (lambda f, w, z, y: (f, torch.from_numpy(w), z, y), "all of one kind"),
        (lambda f, w, z, y: (f.tolist(), w, z, y), "NumPy arrays or torch tensors"),
    ],
)
def test_inputs_that_do_not_fit_are_named(change, message):
    with pytest.raises(CurateError, match=message):
        scores.per_sample(*change(*random_problem()))


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_the_angular_gap_within_class_is_free_of_what_a_class_has_as_a_whole(kind):
    rng = np.random.default_rng(3)
    features, class_weights, labels = rng.normal(size=(40, 5)), rng.normal(size=(4, 5)), rng.integers(-1, 3, 40)
    features[4] = 0  # no direction: it has no gap, and no other sample's changes
    given = [features, class_weights, labels]
    if kind == "torch":
        given = [torch.from_numpy(array) for array in given]
    got = np.asarray(scores.class_angular_gap(*given))
    gap = scores.angular_gap(features, class_weights, labels)
    for label in range(3):
        members = np.flatnonzero((labels == label) & ~np.isnan(gap))
        assert len(members) > 4
        expected = (gap[members] - gap[members].mean()) / gap[members].std()
        np.testing.assert_allclose(got[members], expected, atol=1e-12)
    assert np.isnan(got[np.isnan(gap)]).all()


def test_prototype_distance_is_the_cosine_distance_to_the_class_mean():
    features, _, _, labels = random_problem(dtype=np.float64)
    features[0] = np.nan
    means = scores.prototypes(features, labels, 8)
    got = scores.prototype_distance(features, means, labels)
    assert np.isnan(got[0])
    assert (means[7] == 0).all()
    for i in range(1, len(labels)):
        mean = np.nanmean(features[labels == labels[i]], axis=0)
        cosine = features[i] @ mean / np.sqrt((features[i] ** 2).sum() * (mean**2).sum())
        assert got[i] == pytest.approx(1 - cosine, abs=1e-12)


@pytest.mark.slow
def test_memory_stays_within_blocks_of_samples_by_classes():
    import tracemalloc

    features, class_weights, _, labels = random_problem(n=60_000, k=1000, d=8)
    tracemalloc.start()
    scores.class_angular_gap(features, class_weights, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000 * 1000 * 4 / 2


@pytest.mark.parametrize("scale", [1e30, 1e-30, 1.0])
def test_a_float32_norm_is_right_where_its_squares_are_not_numbers(scale):
    rows = np.random.default_rng(0).normal(size=(5, 64))
    found = scores.norm((rows * scale).astype(np.float32))
    np.testing.assert_allclose(found / scale, np.linalg.norm(rows, axis=1), rtol=1e-6)
    odd = np.array([[0, 0], [np.inf, 1], [np.nan, 1]], np.float32)
    np.testing.assert_array_equal(scores.norm(odd), np.array([0, np.inf, np.nan], np.float32))
