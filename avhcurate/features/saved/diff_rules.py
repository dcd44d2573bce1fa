"""What differs between two moments of a dataset: what became of each image's label, tags and exclusion."""

import pandas as pd

#: What a difference is, in the order of a list.
KINDS = {
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


def _rows(kind: str, rows: pd.DataFrame, before: pd.Series | str = "", after: pd.Series | str = "") -> pd.DataFrame:
    """Return differences of a kind, each with what was and what is."""
    columns = {"kind": kind, "id": rows["id"], "path": rows["path"], "before": before, "after": after}
    return pd.DataFrame(columns).astype({"path": object, "before": object, "after": object})


def by_day_and_person(changes: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Return the changes by the day and who decided them, the last day first."""
    decided = changes[changes["who"] != ""]
    groups = decided.groupby([decided["at"].str[:10], "who"])
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
