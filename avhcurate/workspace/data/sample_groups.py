"""Groups of samples that a fold must not split: copies of an image, near duplicates, and groups of the user's."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from avhcurate.errors import CurateError, Option
from avhcurate.measures.stats.folds import identical_rows, joined_groups
from avhcurate.workspace.data.bursts import AUTO, bursts
from avhcurate.workspace.data.datasets import DatasetFolder
from avhcurate.workspace.disk.provenance import settings_digest


def sample_groups(
    dataset: DatasetFolder,
    features: np.ndarray | None,
    ids: np.ndarray,
    *,
    digests: np.ndarray | None = None,
    column: str | None = None,
) -> tuple[np.ndarray, dict[str, int]]:
    """Return groups (n,) of samples that a fold must not split, and how many each way of finding copies joins.

    Ways: equal image files (`digests`, else those of Image quality, where it has been measured), equal features
    (N, ...), which may be pixels, the near duplicates of Image quality, and the values of a column of the user's, or
    bursts where it is `AUTO`.
    """
    ways = {"features": np.arange(len(ids))}
    if features is not None:
        ways["features"] = identical_rows(features, ids)
    quality = dataset.quality
    measured = quality.ready(dataset.record.fingerprint)
    if digests is not None:
        ways["files"] = digests
    elif measured and quality.scores_path.exists():
        ways["files"] = quality.measures().set_index("id")["sha256"].reindex(ids).to_numpy(object)
    if measured:
        ways["quality"] = _near_duplicates(dataset).reindex(ids).to_numpy(float)
    if column == AUTO:
        ways |= bursts(dataset, features, ids)
    elif column:
        ways[column] = dataset.samples([column])[column].iloc[ids].to_numpy(object)
    return joined_groups(*ways.values()), {name: _joined(way) for name, way in ways.items() if name != column}


def check_groups(dataset: DatasetFolder, column: str | None) -> None:
    """Refuse a column that the dataset does not have, to keep groups together by."""
    names = pq.read_schema(dataset.samples_path).names
    columns = [name for name in names if name not in ("id", "label") and not name.startswith("_")]
    if column and column not in (AUTO, *columns):
        raise CurateError(
            f"{Option('groups')} {column}: dataset {dataset.name!r} has the columns {', '.join(columns)}, and "
            f"{AUTO} finds bursts."
        )


def duplicates_digest(dataset: DatasetFolder) -> dict[str, str]:
    """Return what the digest of settings needs where folds are made: `duplicates`, that of the near duplicates of Image
    quality, which may be measured at any time; nothing where it found none.
    """
    if not dataset.quality.ready(dataset.record.fingerprint):
        return {}
    groups = _near_duplicates(dataset).dropna().sort_index()
    members = [groups.index.tolist(), pd.factorize(groups)[0].tolist()]
    return {"duplicates": settings_digest(members)} if len(groups) else {}


def _near_duplicates(dataset: DatasetFolder) -> pd.Series:
    """Return the group that Image quality found for each sample, by id; NaN for none."""
    table = pq.read_table(dataset.quality.columns_path, columns=["id", "duplicate_group"]).to_pandas()
    return table.set_index("id")["duplicate_group"]


def _joined(grouping: np.ndarray) -> int:
    """Return samples that are not alone in their group."""
    codes, _ = pd.factorize(grouping)
    members = np.bincount(codes[codes >= 0])
    return int(members[members > 1].sum())
