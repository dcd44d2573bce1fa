"""Changes of a dataset's classes and of their parents. Each returns its event, which undo reverts.

They name the classes that there are now; the table may be of before other changes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from avhcurate.datasets.curate.annotations import check_text
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.sample_table import SampleTable
from avhcurate.errors import CurateError
from avhcurate.workspace.data.class_changes import ClassChanges
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.data.event import CLASS_ACTIONS, Event
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.columns import listed
from avhcurate.workspace.disk.tabular import read_table

#: Characters of a class name, at most.
_LONGEST = 100


def rename(decisions: Decisions, workspace: Workspace, old: str, new: str) -> Event:
    """Give a class another name."""
    check_known(decisions.dataset, [old])
    new = _new_name(decisions.dataset, new, of=[old])
    return _write(decisions, workspace, "rename class", f"{old} → {new}", names={old: new})


def merge(decisions: Decisions, workspace: Workspace, classes: Sequence[str], into: str) -> Event:
    """Make one class of several, under the name of one of them or a new one."""
    names = list(dict.fromkeys(classes))
    check_known(decisions.dataset, names)
    known = into in decisions.dataset.record.classes
    if not known:
        into = _new_name(decisions.dataset, into, of=names)
    if len({*names, into}) < 2 or (len(names) < 2 and not known):
        raise CurateError("Name two classes or more to merge.")
    return _write(
        decisions, workspace, "merge classes", f"{', '.join(names)} → {into}", names=dict.fromkeys(names, into)
    )


def add(decisions: Decisions, workspace: Workspace, name: str) -> Event:
    """Add a class without images."""
    name = _new_name(decisions.dataset, name)
    return _write(decisions, workspace, "add class", name, added=[name])


def retire(decisions: Decisions, workspace: Workspace, name: str) -> Event:
    """Take a class away: its images have no label then, and votes for it do not count."""
    check_known(decisions.dataset, [name])
    return _write(decisions, workspace, "retire class", name, names={name: ""})


def split(decisions: Decisions, workspace: Workspace, name: str, parts: Mapping[int, str]) -> Event:
    """Give images of a class to parts of it by id, under the names of new classes.

    The other images stay in the class. Votes for it count as votes for the part that an image is in.
    """
    check_known(decisions.dataset, [name])
    names = {part: _new_name(decisions.dataset, part) for part in dict.fromkeys(parts.values())}
    rows = decisions.samples.frame(Filters(excluded=None, ids=tuple(parts)), columns=["id", "path", "label_name"])
    rows = rows[rows["label_name"] == name]
    if rows.empty:
        raise CurateError(f"No image of {name} is in a part. Choose another column, tag or set.")
    of_path = {path: names[parts[id]] for id, path in rows[["id", "path"]].itertuples(index=False)}
    return _write(decisions, workspace, "split class", name, added=sorted(set(of_path.values())), parts=of_path)


def parts_by(samples: SampleTable, name: str, by: str) -> dict[int, str]:
    """Return the part of images of a class by id: by the values of a column, or those with a tag or in a set."""
    of_class = Filters(excluded=None, classes=(samples.classes.index(name),))
    if by in samples.groups:
        rows = samples.frame(of_class, columns=["id", by]).dropna()
        return {int(id): f"{name} {value}" for id, value in rows.itertuples(index=False)}
    named = {"tags": samples.group_counts("tags")["value"].tolist(), "sets": samples.sets}
    for field, names in named.items():
        if by in names:
            return dict.fromkeys(samples.order(of_class.with_(**{field: (by,)})).tolist(), f"{name} {by}")
    raise CurateError(f"{by} is no column of few values, no tag and no set. Choose one of them.")


def set_parents(decisions: Decisions, workspace: Workspace, by: str) -> Event:
    """Give classes their parents, in place of all before: from a column, or a file with the columns class and parent.

    A parent may have the name of a class that is its own parent, since there is one level.
    """
    columns = ["class", "parent"]
    if by in decisions.samples.groups:
        rows = decisions.samples.frame(Filters(excluded=None), columns=["label_name", by]).set_axis(columns, axis=1)
    elif Path(by).is_file():
        rows = read_table(Path(by), texts=columns).to_pandas().reindex(columns=columns)
    else:
        raise CurateError(f"{by} is no column of few values and no file. Give a CSV with the columns class,parent.")
    pairs = rows.dropna().astype(str).drop_duplicates()
    parents = dict[str, str](pairs.itertuples(index=False))
    check_known(decisions.dataset, list(parents))
    if len(parents) < max(1, len(pairs)):
        raise CurateError(f"{by} does not give classes one parent each. Give it the columns class,parent.")
    if deeper := [parent for parent in parents.values() if parents.get(parent, parent) != parent]:
        raise CurateError(f"{listed(deeper, 5)} is a parent and has another. There is one level: leave one out.")
    return _write(decisions, workspace, "set parents", Path(by).name, parents=parents)


def check_known(dataset: DatasetFolder, names: Sequence[str]) -> None:
    """Refuse names that no class has now."""
    classes = dataset.record.classes
    if unknown := [name for name in names if name not in classes]:
        raise CurateError(f"Unknown class {listed(unknown, 5)}. Choose from {listed(classes, 20)}.")


def _new_name(dataset: DatasetFolder, name: str, *, of: Sequence[str] = ()) -> str:
    """Return a name for a new class, or for classes `of`; refuse one that means another class."""
    name = check_text(name, "class", _LONGEST)
    record = dataset.record
    changes = record.changes or ClassChanges()
    (now,) = changes.now([name])
    if name in {*record.classes, *record.parents_of(record.classes)} and name not in of:
        raise CurateError(f"There is a class or parent {name}. Choose another name, or merge them.")
    if name in changes.names_of(record.imported_classes or record.classes) and now not in {name, *of}:
        was = f"is called {now} now" if now else "was retired"
        raise CurateError(f"The class {name} {was}, and votes have its name. Choose another name, or undo that.")
    return name


def _write(decisions: Decisions, workspace: Workspace, action: str, value: str, **change: Any) -> Event:
    """Write a change; the record says first that the log has one, so that every reader asks for it."""
    dataset = decisions.dataset
    with workspace.lock(dataset.name):
        record = dataset.record
        if not record.classes_changed:
            dataset.write_record(record.model_copy(update={"classes_changed": True}))
        decisions.log.change_classes(dataset.id, action, value, **change)
        event = decisions.log.last(dataset.id, CLASS_ACTIONS)
        assert event is not None
        return event
