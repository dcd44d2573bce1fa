"""What differs between two states of a dataset: which images are the same, and what became of each."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

#: What a difference is, in the order of a list.
KINDS = {
    "added": "Images added",
    "copied": "Copies added",
    "gone": "Images gone",
    "renamed": "Same image under another path",
    "relabelled": "Label changed",
    "split": "Split moved",
    "excluded": "Excluded",
    "included": "Included again",
    "tagged": "Tags changed",
    "rescored": "Scores changed",
}
#: The kinds that are decided on images which both states have, and the column that each changes.
ON_IMAGES = {"relabelled": "label", "excluded": "excluded", "included": "excluded", "tagged": "tags"}
#: The rows (n,) of the same images in both states.
Pairs = tuple[np.ndarray, np.ndarray]


def same_images(before: pd.DataFrame, after: pd.DataFrame) -> Pairs:
    """Return the rows (n,) in both states of the same images: of equal content, first those under the same path.

    Each row counts once: of more copies than there were, the later ones are left.

    >>> before = pd.DataFrame({"path": ["a", "b", "c"], "content": ["1", "2", "2"]})
    >>> after = pd.DataFrame({"path": ["c", "d", "e"], "content": ["2", "1", "9"]})
    >>> [rows.tolist() for rows in same_images(before, after)]
    [[2, 0], [0, 1]]
    """
    place = pd.Index(after["path"]).get_indexer(before["path"])
    content = after["content"].to_numpy(object)
    first = np.flatnonzero((place >= 0) & (content[place] == before["content"].to_numpy(object)))
    second = place[first]
    moved = _numbered(before, first).merge(_numbered(after, second), on=["content", "copy"], suffixes=("", "_after"))
    return np.append(first, moved["row"]), np.append(second, moved["row_after"])


def _others(state: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Return the state without some rows."""
    return state.iloc[np.delete(np.arange(len(state)), rows)]


def _numbered(state: pd.DataFrame, without: np.ndarray) -> pd.DataFrame:
    """Return `content, row, copy` of the other rows: of equal content, `copy` counts them from 0."""
    content = _others(state.reset_index(names="row"), without)[["content", "row"]].astype({"content": object})
    return content.assign(copy=content.groupby("content").cumcount())


def differences(before: pd.DataFrame, after: pd.DataFrame, same: Pairs, scores: Sequence[str]) -> pd.DataFrame:
    """Return a row for each difference: `kind` of `KINDS`, `id` and `path` in the later state, what was and what is.

    States have a row an image: `id, path, content, split, label, excluded, tags` and scores. The id and path of an
    image that is gone are those of the earlier state. `same` are the rows of `same_images`.
    """
    old = before.iloc[same[0]].reset_index(drop=True)
    now = after.iloc[same[1]].reset_index(drop=True)
    gone = _others(before, same[0])
    new = _others(after, same[1])
    copied = np.zeros(len(new), bool)
    if len(new):
        copied = new["content"].isin(before["content"]).to_numpy()
    added = new[~copied]
    copies = new[copied]
    parts = [
        _rows("added", added, after=added["label"]),
        _rows("copied", copies, after=copies["label"]),
        _rows("gone", gone, before=gone["label"]),
    ]
    for kind, column in (("renamed", "path"), ("relabelled", "label"), ("split", "split"), ("tagged", "tags")):
        differs = (old[column] != now[column]).to_numpy(bool)
        parts.append(_rows(kind, now[differs], old.loc[differs, column], now.loc[differs, column]))
    excluded = now["excluded"].to_numpy(bool)
    was = old["excluded"].to_numpy(bool)
    parts += [
        _rows("excluded", now[excluded & ~was]),
        _rows("included", now[was & ~excluded]),
        _rows("rescored", now[_rescored(old, now, scores)]),
    ]
    return pd.concat(parts, ignore_index=True)


def _rows(kind: str, rows: pd.DataFrame, before: pd.Series | str = "", after: pd.Series | str = "") -> pd.DataFrame:
    """Return differences of a kind, each with what was and what is."""
    columns = {"kind": kind, "id": rows["id"], "path": rows["path"], "before": before, "after": after}
    return pd.DataFrame(columns).astype({"path": object, "before": object, "after": object})


def by_day_and_person(changes: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Return the changes that people decided on images, by the day and who did, the last day first."""
    decided = changes[(changes["who"] != "") & changes["kind"].isin(ON_IMAGES)]
    groups = decided.groupby([decided["at"].str[:10], "who"])
    return [(str(day), str(who), rows) for (day, who), rows in groups][::-1]


def _rescored(old: pd.DataFrame, now: pd.DataFrame, scores: Sequence[str]) -> np.ndarray:
    """Return the images of which a score is another: by more than rounding, or in one state only."""
    rescored = np.zeros(len(now), bool)
    for key in scores:
        same = np.isclose(old[key].to_numpy(float), now[key].to_numpy(float), rtol=1e-5, atol=1e-8, equal_nan=True)
        rescored |= ~same
    return rescored


def shifts(before: pd.DataFrame, after: pd.DataFrame, same: Pairs, scores: Mapping[str, str]) -> pd.DataFrame:
    """Return `score, n, before, after, shift, spearman`: means over the n images that both states score, by score."""
    rows = []
    for key, name in scores.items():
        values = (state[key].to_numpy(float)[part] for state, part in zip((before, after), same, strict=True))
        pair = pd.DataFrame(dict(zip(("before", "after"), values, strict=True))).dropna()
        if len(pair):
            old, now = pair.mean()
            ranks = pair.rank()
            rows.append((name, len(pair), old, now, now - old, ranks["before"].corr(ranks["after"])))
    return pd.DataFrame(rows, columns=["score", "n", "before", "after", "shift", "spearman"])


def class_counts(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return `class, before, after`: how many images that are not excluded have each label, most in all first."""
    counts = [state.loc[~state["excluded"], "label"].value_counts() for state in (before, after)]
    table = pd.concat(counts, axis=1, keys=["before", "after"]).fillna(0).astype(int)
    order = table.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return table.loc[order].rename_axis("class").reset_index()


def summary(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return `what, before, after`: images that are not excluded, those with a label, and undecided suspects.

    Suspects are NaN without a list. Accuracies against two sets of labels are not set side by side: the difference says
    nothing about the decisions between them (see the feature `payoff`).
    """
    columns = {}
    for name, state in (("before", before), ("after", after)):
        images = state[~state["excluded"]]
        columns[name] = [len(images), (images["label"] != "").sum(), images["suspect"].sum(min_count=1)]
    return pd.DataFrame({"what": ["images", "with a label", "suspects"], **columns})
