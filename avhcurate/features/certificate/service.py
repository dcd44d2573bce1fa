"""Plan a certificate, draw the images to look at, take what people saw on them, and compute it again."""

import json
import math
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from avhcurate.datasets.curate.certificate import Certificate, certificate
from avhcurate.datasets.curate.certificate_plan import CertificateFolder, CertificateRecord, newest_certificate
from avhcurate.datasets.curate.certificate_texts import badge
from avhcurate.datasets.curate.label_files import no_file, read_label_table
from avhcurate.datasets.curate.second_person import second_person
from avhcurate.datasets.table.columns import KEPT
from avhcurate.datasets.table.decisions import Decisions
from avhcurate.datasets.table.empty_view import empty_view
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError, Run
from avhcurate.features.certificate.settings import CONFIDENCE
from avhcurate.measures.stats.acceptance import looks_expected
from avhcurate.people.files.sheet import SAMPLE_COLUMNS
from avhcurate.people.row_matching import match_rows
from avhcurate.workspace.data.event import LOOK, NEITHER
from avhcurate.workspace.data.people import Role, require, user
from avhcurate.workspace.disk.files import check_free, write_atomic, write_parquet
from avhcurate.workspace.disk.provenance import now, versions

#: What a file of answers says of an image that shows none of the classes, and of one at which nobody can tell.
_NEITHER, _CANNOT_TELL = "neither", "cannot tell"
#: What must be the same where a certificate is computed again.
_VERIFIED = ("low", "high", "looks", "population", "reviewed", "confidence", "at_most", "verdict", "seed")


def plan(
    decisions: Decisions,
    votes: Votes,
    *,
    at_most: float,
    confidence: float = CONFIDENCE,
    where: str = "",
    again: bool = False,
    seed: int | None = None,
) -> CertificateFolder:
    """Plan a certificate for the labels as an export would write them now, and put those that nobody has decided in an
    order by chance, on disk before any of it is seen.

    The same plan is returned where it is the newest, unless `again`. What came in a file, or what another person
    contradicts, is not decided. Raises CurateError where no label satisfies the condition.
    """
    require(Role.CURATOR, "planning a certificate")
    decisions.refresh()
    dataset = decisions.dataset
    wanted: dict[str, Any] = {"at_most": at_most, "confidence": confidence, "where": where}
    wanted["dataset_fingerprint"] = dataset.record.fingerprint
    newest = newest_certificate(dataset)
    if newest is not None and not again and wanted.items() <= dict(newest.record).items():
        return newest
    filters = Filters(where=where)
    rows = decisions.samples.frame(filters, columns=["id", "path", "label_name", "curated_label_name"])
    rows = rows[rows["curated_label_name"].notna()]
    if rows.empty:
        raise empty_view(decisions.samples, filters, "No such image has a label.", needs="label")
    if seed is None:
        seed = secrets.randbits(32)
    reviewed, deciders = _reviewed(decisions, votes, rows["id"].to_numpy())
    rest = np.random.default_rng(seed).permutation(np.flatnonzero(~reviewed))
    order = rows.iloc[np.concatenate([rest, np.flatnonzero(reviewed)])]
    names = {"path": "path", "curated_label_name": "label"}
    numbers = [int(folder.name) for folder in CertificateFolder.folders_of(dataset) if folder.name.isdecimal()]
    folder = CertificateFolder.of(dataset, str(max(numbers, default=0) + 1))
    moment = now()
    record = CertificateRecord(
        name=folder.name,
        version=dataset.record.version,
        versions=versions("numpy", "scipy"),
        started=moment,
        finished=moment,
        seed=seed,
        entry=decisions.samples.entry,
        population=len(rows),
        reviewed=int(reviewed.sum()),
        changed=int((rows["label_name"] != rows["curated_label_name"]).sum()),
        deciders=deciders,
        **wanted,
    )
    decisions.present_id()
    with folder.alone():
        if folder.begun:
            raise CurateError("Another certificate was planned at the same moment. Look at it first.")
        table = pa.Table.from_pandas(order[list(names)].rename(columns=names), preserve_index=False)
        write_parquet(folder.plan_path, table)
        folder.write_record(record)
    return folder


def _reviewed(decisions: Decisions, votes: Votes, ids: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return which samples have a label that a person has decided by hand and nobody contradicts, and who these are."""
    second = second_person(decisions, votes)
    rows = second.rows[(second.rows["label"] >= 0) & ~second.rows["id"].isin(second.contradicted["id"])]
    last = (
        decisions.log.deciders(decisions.dataset.id, kept=KEPT).sort_values("at").drop_duplicates("path", keep="last")
    )
    by_hand = last.loc[~last["file"].astype(bool), "path"]
    paths = pd.Series(decisions.samples.paths_of(rows["id"].tolist()), rows.index, dtype=object)
    rows = rows[paths.isin(by_hand)]
    return np.isin(ids, rows["id"]), sorted(rows["who"].unique())


def current(decisions: Decisions) -> CertificateFolder:
    """Return the newest certificate of a dataset; raise CurateError where none is planned."""
    folder = newest_certificate(decisions.dataset)
    if folder is None:
        raise CurateError(
            f"No certificate is planned for {decisions.dataset.name!r}.",
            fix=Run("certify", decisions.dataset.name, at_most="0.02"),
        )
    return folder


def expectations(record: CertificateRecord) -> list[tuple[float, int | None]]:
    """Return how many looks are to be expected if no label is wrong, a quarter or half as many as may be."""
    allowed = math.floor(record.at_most * record.population + 1e-9)
    shares = [0.0, record.at_most / 4, record.at_most / 2]
    of_rest = [share * record.population / max(record.rest, 1) for share in shares]
    looks = looks_expected(record.rest, allowed, of_rest, at_most=record.at_most, alpha=record.alpha)
    return list(zip(shares, looks, strict=True))


def draw(decisions: Decisions, folder: CertificateFolder, count: int) -> tuple[str, ...]:
    """Return the paths of the next images to look at, drawn on disk before anybody sees them.

    Those that were drawn and have no answer come first, then labels that changed since, where looks at them renew the
    certificate, then those that follow in the order.
    """
    require(Role.CURATOR, "drawing images for a certificate")
    decisions.present_id()
    found = certificate(decisions, folder)
    if len(found.open) >= count:
        return found.open[:count]
    with folder.alone():
        record = folder.record
        renewals = list(record.renewals)
        if found.renew is not None:
            drawn = {*folder.plan(record.drawn)["path"].to_pylist(), *renewals}
            changed = set(folder.plan()["path"].to_pylist()).intersection(found.unseen) - drawn
            renewals += sorted(changed)[: count - len(found.open)]
        wanted = count - len(found.open) - (len(renewals) - len(record.renewals))
        more = min(record.rest, record.drawn + wanted)
        following = [path for path in folder.plan(more)["path"].slice(record.drawn).to_pylist() if path not in renewals]
        paths = (*found.open, *renewals[len(record.renewals) :], *following)
        if not paths:
            raise CurateError("Everything was looked at: there is nothing to draw.")
        if record.drawn != more or renewals != record.renewals:
            folder.write_record(record.model_copy(update={"drawn": more, "renewals": renewals}))
    return paths


def ids_of(decisions: Decisions, paths: tuple[str, ...]) -> dict[str, int]:
    """Return the id of each path that the dataset has."""
    query = "SELECT path, id FROM samples WHERE path IN (SELECT unnest(?::VARCHAR[]))"
    return dict(decisions.samples.query(query, [list(paths)]))


# --- answers -----------------------------------------------------------------------------------------------------


def look(decisions: Decisions, folder: CertificateFolder, answers: Mapping[str, str | None]) -> None:
    """Write down what a person saw on drawn images, by path: a class, `NEITHER`, or None who cannot tell.

    An image that somebody has looked at already gets a second look. Raises CurateError for one that was not drawn.
    """
    record = folder.record
    drawn = {*folder.plan(record.drawn)["path"].to_pylist(), *record.renewals}
    if strange := [path for path in answers if path not in drawn]:
        raise CurateError(
            f"{len(strange):,} of {len(answers):,} images were not drawn, first {strange[0]!r}.",
            fix=f"Take those of {Run('certify', decisions.dataset.name, next='50')}",
        )
    labels = list(answers.values())
    decisions.log.annotate(decisions.present_id(), LOOK, record.name, list(answers), labels=labels)
    decisions.refresh()


def take_answers(decisions: Decisions, folder: CertificateFolder, file: Path) -> tuple[int, int]:
    """Take a file of answers; return how many are new, and how many this person had given already.

    Raises CurateError for a file without answers, for a class that the dataset does not have, for images that were not
    drawn, and where this person now says something else than before.
    """
    answers = _read_answers(decisions, file)
    before = decisions.log.looks(decisions.dataset.id, folder.record.name)
    mine = before[before["who"] == user()].drop_duplicates("path").set_index("path")["label"]
    given = {path: mine[path] for path in answers if path in mine.index}
    for path, label in given.items():
        said = label if isinstance(label, str) else None
        if said != answers[path]:
            raise CurateError(
                f"You have said something else of {path!r} before.",
                fix=f"{Run('history', decisions.dataset.name)} and undo that first",
            )
    new = {path: label for path, label in answers.items() if path not in given}
    if new:
        look(decisions, folder, new)
    return len(new), len(given)


def _read_answers(decisions: Decisions, file: Path) -> dict[str, str | None]:
    """Return the answer to each image that a file names, by path."""
    if not file.is_file():
        raise no_file(file)
    table = read_label_table(file)
    name = next((name for name in ("label", "label_name", "answer") if name in table.column_names), None)
    if name is None:
        raise CurateError(f"{file.name} has no column label. Its columns are {', '.join(table.column_names)}.")
    columns = {name: table[name] for name in SAMPLE_COLUMNS if name in table.column_names}
    if not columns:
        raise CurateError(f"{file.name} has no column path or id.")
    paths = decisions.dataset.column("path")
    ids = match_rows(columns, paths).ids
    if (ids < 0).any():
        row = int(np.flatnonzero(ids < 0)[0])
        raise CurateError(f"Row {row + 1} of {file.name} names no image of {decisions.dataset.name!r}. Leave it out.")
    answers: dict[str, str | None] = {}
    for id, said in zip(ids, table[name].cast(pa.string()).to_pylist(), strict=True):
        path = paths[int(id)].as_py()
        label = _answer(decisions, said)
        if answers.setdefault(path, label) != label:
            raise CurateError(f"{file.name} has two answers to {path!r}. Keep one.")
    if not answers:
        raise CurateError(f"{file.name} has no answers.")
    return answers


def _answer(decisions: Decisions, said: str | None) -> str | None:
    """Return an answer as it is stored."""
    classes = decisions.samples.classes
    text = (said or "").strip()
    if text in classes:
        return text
    if text.casefold() in ("", _CANNOT_TELL):
        return None
    if text.casefold() == _NEITHER:
        return NEITHER
    if text.isdecimal() and int(text) < len(classes):
        return classes[int(text)]
    raise CurateError(f"{text!r} is not a class. Write one of {', '.join(classes[:10])}, {_NEITHER} or {_CANNOT_TELL}.")


# --- what travels ------------------------------------------------------------------------------------------------


def verify(decisions: Decisions, file: Path) -> tuple[Certificate, str]:
    """Compute again what a file says that has a certificate; return it, and what does not agree, "" for nothing."""
    try:
        said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        said = said.get("certificate_of_labels", said)
        name, until = str(said["certificate"]), int(said["entry"])
    except OSError:
        raise no_file(file) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CurateError(
            f"{file.name} has no certificate. Give what certify printed as JSON, or the manifest of an export."
        ) from None
    folder = CertificateFolder.named(decisions.dataset, name)
    found = certificate(decisions, folder, until=until)
    result = found.result()
    differ = [key for key in _VERIFIED if said.get(key) != result[key]]
    if differ:
        told = ", ".join(f"{key} {said.get(key)}, here {result[key]}" for key in differ)
        return found, f"{file.name} does not agree: {told}"
    if not _same_draw(decisions, folder):
        return found, f"The order of the draw of certificate {name} is not that of its seed"
    return found, ""


def _same_draw(decisions: Decisions, folder: CertificateFolder) -> bool:
    """Return whether the labels that nobody had decided lie in the order by the seed: that of ids, put at random."""
    record = folder.record
    paths = tuple(folder.plan(record.rest)["path"].to_pylist())
    known = ids_of(decisions, paths)
    ids = np.array([known.get(path, -1) for path in paths], np.int64)
    order = np.random.default_rng(record.seed).permutation(record.rest)
    return bool((ids == np.sort(ids)[order]).all())


def write_badge(found: Certificate, out: Path, *, force: bool = False) -> None:
    """Write a certificate as an SVG image. Raises CurateError if `out` exists, unless `force`."""
    check_free(out, force=force)
    write_atomic(out, badge(found))
