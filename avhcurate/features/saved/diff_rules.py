"""What differs between two moments of a dataset, or two lists of labels: what became of each image."""

import pandas as pd

#: What a difference is, in the order of a list.
KINDS = {
    "added": "Images added",
    "removed": "Images removed",
    "relabelled": "Label changed",
    "excluded": "Excluded",
    "included": "Included again",
    "tagged": "Tags changed",
}


def differences(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each difference: `kind` of `KINDS`, `id` and `path`, what was and what is.

    Both have the same images, a row each: `id, path, label, excluded, tags`.

    >>> image = {"id": [7], "path": ["a"], "excluded": False, "tags": ""}
    >>> before, after = (pd.DataFrame(image | {"label": label}) for label in ("cat", "dog"))
    >>> differences(before, after)
             kind  id path before after
    0  relabelled   7    a    cat   dog
    """
    parts = []
    for kind, column in (("relabelled", "label"), ("tagged", "tags")):
        differs = before[column] != after[column]
        parts.append(_rows(kind, after[differs], before.loc[differs, column], after.loc[differs, column]))
    parts.append(_rows("excluded", after[after["excluded"] & ~before["excluded"]]))
    parts.append(_rows("included", after[before["excluded"] & ~after["excluded"]]))
    return pd.concat(parts, ignore_index=True)


def label_differences(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each difference of two lists of labels: `kind` of `KINDS`, `path`, what was and what is.

    Both have a row an image, `path, label, excluded`; the index says which image it is, once each. An image that one
    list excludes and the other lacks is in neither's labels, so it does not differ.

    >>> before = pd.DataFrame({"path": ["a", "b"], "label": ["cat", "dog"], "excluded": False}, ["a", "b"])
    >>> after = pd.DataFrame({"path": ["b", "c"], "label": ["cat", "cat"], "excluded": [True, False]}, ["b", "c"])
    >>> label_differences(before, after)[["kind", "path", "before", "after"]].values[:3].tolist()
    [['added', 'c', '', 'cat'], ['removed', 'a', 'cat', ''], ['relabelled', 'b', 'dog', 'cat']]
    """
    positions = before.index.get_indexer(after.index)
    then = before.iloc[positions[positions >= 0]]
    now = after[positions >= 0].set_index(then.index)
    new = after[(positions < 0) & ~after["excluded"]]
    gone = before.drop(then.index)
    gone = gone[~gone["excluded"]]
    differs = then["label"] != now["label"]
    parts = [
        _rows("added", new, after=new["label"]),
        _rows("removed", gone, before=gone["label"]),
        _rows("relabelled", now[differs], then.loc[differs, "label"], now.loc[differs, "label"]),
        _rows("excluded", now[now["excluded"] & ~then["excluded"]]),
        _rows("included", now[then["excluded"] & ~now["excluded"]]),
    ]
    return pd.concat(parts, ignore_index=True)


def pairs_of_classes(changes: pd.DataFrame) -> pd.DataFrame:
    """Return `before, after, n`: how many images were relabelled from a class to another, most first."""
    relabelled = changes[changes["kind"] == "relabelled"]
    counts = relabelled.groupby(["before", "after"]).size().sort_values(ascending=False, kind="stable")
    return counts.rename("n").reset_index()


def counts_of(changes: pd.DataFrame) -> dict[str, int]:
    """Return how many differences there are of each kind that occurs."""
    counts = changes["kind"].value_counts()
    return {kind: int(counts[kind]) for kind in KINDS if kind in counts}


def text_of(counts: dict[str, int]) -> str:
    """Return the same in words.

    >>> text_of({"added": 2, "relabelled": 1200})
    'images added 2, label changed 1,200'
    """
    return ", ".join(f"{KINDS[kind].lower()} {n:,}" for kind, n in counts.items()) or "nothing differs"


def _rows(kind: str, rows: pd.DataFrame, before: pd.Series | str = "", after: pd.Series | str = "") -> pd.DataFrame:
    """Return differences of a kind, each with what was and what is; `id` where the rows have one."""
    of_rows = {name: rows[name] for name in ("id", "path") if name in rows}
    columns = {"kind": kind, **of_rows, "before": before, "after": after}
    return pd.DataFrame(columns).astype({"path": object, "before": object, "after": object})


def by_day_and_person(changes: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Return the changes by the day and who decided them, the last day first."""
    decisions = changes[changes["who"] != ""]
    groups = decisions.groupby([decisions["at"].str[:10], "who"])
    return [(str(day), str(who), rows) for (day, who), rows in groups][::-1]


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
