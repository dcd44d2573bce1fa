"""Votes as cleanlab reads those of several annotators: a column an annotator, with the probabilities of the run."""

from pathlib import Path

import numpy as np
import pandas as pd

from avhcurate.datasets.export.output import atomic_output
from avhcurate.datasets.export.service import describe_export
from avhcurate.datasets.export.text import csv_text, write_readme
from avhcurate.datasets.table.filters import Filters
from avhcurate.datasets.table.open_dataset import OpenDataset
from avhcurate.datasets.table.votes import Votes
from avhcurate.errors import CurateError, Run
from avhcurate.features.annotate.annotators import responses
from avhcurate.measures.scores.softmax import log_probs
from avhcurate.workspace.disk.files import write_array

#: The format of `votes-out`.
CLEANLAB = "cleanlab"
_README = """# Votes about {name} for cleanlab

    import numpy as np
    import pandas as pd
    from cleanlab.multiannotator import get_label_quality_multiannotator

    votes = pd.read_csv("labels_multiannotator.csv", index_col="path")
    found = get_label_quality_multiannotator(votes, np.load("pred_probs.npy"))
    print(found["label_quality"], found["annotator_stats"])

A row an image with votes, a column an annotator, the class index that each gave, empty where there is no answer.
`pred_probs.npy` (n, K) has the probabilities of the run for the same rows, if there is a run.
`avhcurate votes` reads `answers.csv`, a row an answer.
"""


def annotator_matrix(votes: Votes) -> pd.DataFrame:
    """Return class indices by id, a row, and annotator, a column; missing where there is no answer (n, M).

    Of an annotator's answers about an image the last counts. Raises CurateError without answers of named people.
    """
    answers = responses(votes, design="classify")
    answers = answers[(answers["id"] >= 0) & (answers["label"] >= 0) & ~answers["excluded"]]
    if answers.empty:
        raise CurateError(
            "No answer says which annotator chose which class, and cleanlab needs a column for each annotator.",
            fix=f"Read a file of answers with {Run('votes', votes.dataset.name, 'FILE', log=True)}",
        )
    last = answers.drop_duplicates(["id", "annotator"], keep="last")
    return last.pivot(index="id", columns="annotator", values="label").sort_index()


def write_annotators(opened: OpenDataset, out: Path, *, force: bool = False) -> int:
    """Write a folder with `labels_multiannotator.csv`, `answers.csv` and, with a run, `pred_probs.npy`.

    Returns how many answers there are.
    """
    matrix = annotator_matrix(opened.votes)
    run = opened.run
    if run is not None and run.num_classes != len(opened.samples.classes):
        run = None  # cleanlab numbers votes and probabilities alike
    paths = opened.samples.paths_of(matrix.index.tolist())
    with atomic_output(out, folder=True, force=force) as (path, manifest):
        path.mkdir()
        wide = matrix.astype("Int64").reset_index(drop=True)
        wide.insert(0, "path", paths)
        (path / "labels_multiannotator.csv").write_text(csv_text(wide), encoding="utf-8")
        long = wide.melt("path", var_name="annotator", value_name="label").dropna()
        names = np.array(opened.samples.classes, object)
        long["label"] = names[long["label"].to_numpy(np.int64)]
        (path / "answers.csv").write_text(csv_text(long), encoding="utf-8")
        if run is not None:
            run.refuse_without_logits()
            logits = run.logits_of(matrix.index.to_numpy(np.int64))
            write_array(path / "pred_probs.npy", np.exp(log_probs(np, logits)).astype(np.float32))
        write_readme(path, _README.format(name=opened.samples.name), simulated=False)
        manifest |= opened.hand(describe_export, Filters(), f"{CLEANLAB} votes", len(matrix))
    return len(long)
