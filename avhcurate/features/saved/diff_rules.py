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
#: The rows (n,) of the same images in both states.
Pairs = tuple[np.ndarray, np.ndarray]
COLUMNS = ["kind", "id", "path", "before", "after", "who", "at", "why"]


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
    more = _rest(before, first).merge(_rest(after, second), on=["content", "copy"], suffixes=("", "_after"))
    return np.append(first, more["row"]), np.append(second, more["row_after"])


def _rest(state: pd.DataFrame, taken: np.ndarray) -> pd.DataFrame:
    """Return `content, row, copy` of the rows that are not taken: of equal content, `copy` counts them from 0."""
    rows = np.delete(np.arange(len(state)), taken)
    rest = pd.DataFrame({"content": state["content"].to_numpy(object)[rows], "row": rows})
    return rest.assign(copy=rest.groupby("content").cumcount())


def differences(before: pd.DataFrame, after: pd.DataFrame, same: Pairs, scores: Sequence[str]) -> pd.DataFrame:
    """Return a row for each difference: `kind` of `KINDS`, `id` and `path` in the later state, what was and what is.

    States have a row an image: `id, path, content, split, label, excluded, tags` and scores. The id and path of an
    image that is gone are those of the earlier state. `same` are the rows of `same_images`.
    """
    one, other = same
    new = np.ones(len(after), bool)
    gone = np.ones(len(before), bool)
    new[other], gone[one] = False, False
    copies = np.zeros(len(after), bool)
    contents = set(before["content"].to_numpy(object)) if new.any() else set()
    copies[new] = [content in contents for content in after.loc[new, "content"]]
    old = before.iloc[one].reset_index(drop=True)
    now = after.iloc[other].reset_index(drop=True)
    parts = [
        _rows("added", after[new & ~copies], "", "label"),
        _rows("copied", after[copies], "", "label"),
        _rows("gone", before[gone], "label", ""),
        _changed("renamed", old, now, "path"),
        _changed("relabelled", old, now, "label"),
        _changed("split", old, now, "split"),
        _changed("tagged", old, now, "tags"),
    ]
    excluded = now["excluded"].to_numpy(bool)
    was = old["excluded"].to_numpy(bool)
    parts += [
        _rows("excluded", now[excluded & ~was], "", ""),
        _rows("included", now[was & ~excluded], "", ""),
        _rows("rescored", now[_moved(old, now, scores)], "", ""),
    ]
    return pd.concat(parts, ignore_index=True)


def _rows(kind: str, rows: pd.DataFrame, before: str, after: str) -> pd.DataFrame:
    """Return differences of a kind; `before` and `after` name the columns that say what was and what is."""
    found = pd.DataFrame({"kind": kind, "id": rows["id"].to_numpy(), "path": rows["path"].to_numpy(object)})
    for name, column in (("before", before), ("after", after)):
        found[name] = rows[column].to_numpy(object) if column else ""
    return found


def _changed(kind: str, old: pd.DataFrame, now: pd.DataFrame, column: str) -> pd.DataFrame:
    differs = (old[column] != now[column]).to_numpy(bool)
    return _rows(kind, now[differs], "", column).assign(before=old.loc[differs, column].to_numpy(object))


def _moved(old: pd.DataFrame, now: pd.DataFrame, scores: Sequence[str]) -> np.ndarray:
    """Return the images of which a score is another: by more than rounding, or in one state only."""
    moved = np.zeros(len(now), bool)
    for key in scores:
        one, other = (state[key].to_numpy(float) for state in (old, now))
        moved |= ~np.isclose(one, other, rtol=1e-5, atol=1e-8, equal_nan=True)
    return moved


def shifts(before: pd.DataFrame, after: pd.DataFrame, same: Pairs, scores: Mapping[str, str]) -> pd.DataFrame:
    """Return `score, n, before, after, shift, spearman`: means over the n images that both states score, by score."""
    (one, other), rows = same, []
    for key, name in scores.items():
        pair = pd.DataFrame({"one": before[key].to_numpy(float)[one], "other": after[key].to_numpy(float)[other]})
        pair = pair.dropna()
        if len(pair):
            means = pair.mean()
            rho = pair["one"].rank().corr(pair["other"].rank())
            rows.append((name, len(pair), means["one"], means["other"], means["other"] - means["one"], rho))
    return pd.DataFrame(rows, columns=["score", "n", "before", "after", "shift", "spearman"])


def class_counts(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return `class, before, after`: how many images that are not excluded have each label, most in all first."""
    counts = [state.loc[~state["excluded"], "label"].value_counts() for state in (before, after)]
    table = pd.concat(counts, axis=1, keys=["before", "after"]).fillna(0).astype(int)
    order = table.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return table.loc[order].rename_axis("class").reset_index()


def summary(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return `what, before, after`: images, those with a label, accuracy against the labels, and undecided suspects.

    Over the images that are not excluded; NaN without a run or a list of suspects.
    """
    columns = {}
    for name, state in (("before", before), ("after", after)):
        kept = state[~state["excluded"]]
        judged = kept[(kept["label"] != "") & (kept["predicted"] != "")]
        accuracy = (judged["label"] == judged["predicted"]).mean()
        open_suspects = kept["suspect"].sum(min_count=1)
        columns[name] = [len(kept), int((kept["label"] != "").sum()), accuracy, len(judged), open_suspects]
    what = ["images", "with a label", "accuracy", "n of accuracy", "suspects"]
    return pd.DataFrame({"what": what, **columns})
