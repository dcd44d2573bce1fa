"""The table of responses, from the app or a file: its columns, and which rows are votes or right answers."""

from typing import Literal, get_args

import numpy as np
import pandas as pd

from avhcurate.errors import CurateError

#: Columns of a table of responses, a row per answer; see `check_responses`.
RESPONSE_COLUMNS = (
    *("path", "annotator", "design", "answer", "selected", "control", "expected", "reaction_ms", "task", "at"),
)
#: The answer of who cannot tell the class of an image: it is kept, but does not count as a vote.
CANNOT_TELL = ""
#: classify: which class is this image? select: which of these images show the class?
Design = Literal["classify", "select"]
DESIGNS: tuple[Design, ...] = get_args(Design)


def check_responses(responses: pd.DataFrame) -> pd.DataFrame:
    """Return the table with every column of `RESPONSE_COLUMNS`, missing ones added empty; refuse unclear answers.

    - path: the sample. annotator: who answered, missing where it is not known.
    - design: `classify` (which class is this?) or `select` (does it belong to the class?).
    - answer: name of the class chosen (classify) or shown (select). selected: whether it was ticked, select only.
    - control: `none` for a vote, else what the image was there for (see `votes.grids.CONTROLS`).
    - expected: class name that an attention check should get; a grid's controls need none.
    - reaction_ms: milliseconds; of a grid, the time of the whole task on each of its rows.
    - task: rows of one grid or session share it. at: time of the answer, UTC.
    """
    table = responses.reindex(columns=list(RESPONSE_COLUMNS)).reset_index(drop=True)
    table["control"] = table["control"].astype(object).where(table["control"].notna(), "none")
    table["at"] = pd.to_datetime(table["at"], utc=True, errors="coerce").astype("datetime64[us, UTC]")
    if not table["design"].isin(DESIGNS).all():
        raise CurateError(f"A response has an unknown design. Use {' or '.join(DESIGNS)}.")
    ticks = (table["design"] == "select") & (table["control"] != "padding")
    unclear = table["path"].isna() | table["answer"].isna() | (ticks & table["selected"].isna())
    if unclear.any():
        row = int(np.argmax(unclear))
        raise CurateError(f"Row {row} of the responses (from 0) lacks its path, answer or selected. Fill it in.")
    return table


def votes_of(responses: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are votes: no controls, no `CANNOT_TELL`, of each annotator the last answer to a question.

    A question is a sample (classify), or a sample and the class it was shown for (select). Rows without an annotator
    all count.
    """
    votes = responses[(responses["control"] == "none") & (responses["answer"] != CANNOT_TELL)]
    question = votes[["design", "path", "annotator"]].assign(shown=_class_shown(votes))
    replaced = votes["annotator"].notna() & question.duplicated(keep="last")
    return votes[~replaced]


def questions(votes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return what each vote is an answer to and what it says, as codes (n,) int64 from 0.

    Answers of a grid are 1 for ticked and 0 for not; of single images, codes of the class names.
    """
    keys = [votes["design"].astype(str), votes["path"].astype(str), _class_shown(votes).astype(str)]
    question = pd.factorize(pd.MultiIndex.from_arrays(keys))[0].astype(np.int64)
    answer = pd.factorize(votes["answer"].astype(str))[0].astype(np.int64)
    return question, np.where(votes["design"] == "select", ticks_of(votes["selected"]), answer)


def _class_shown(votes: pd.DataFrame) -> pd.Series:
    """Return the class that a grid asked about, "" for a single image."""
    return votes["answer"].where(votes["design"] == "select", "")


def correct_controls(responses: pd.DataFrame) -> pd.Series:
    """Return whether each answer to a control is right, as nullable booleans; missing for votes and padding.

    Right is: a positive control ticked, a negative one not, an attention check answered as expected.
    """
    control = responses["control"]
    attention = control == "attention"
    as_expected = responses["answer"].astype(str) == responses["expected"].astype(str)
    as_shown = (ticks_of(responses["selected"]) == 1) == (control == "positive")
    checkable = control.isin(["positive", "negative"]) | (attention & responses["expected"].notna())
    return as_expected.where(attention, as_shown).astype("boolean").where(checkable)


def ticks_of(selected: pd.Series) -> np.ndarray:
    """Return 1 for a tick however it is spelled, else 0, (n,) int64.

    >>> ticks_of(pd.Series([True, "no", "1", None])).tolist()
    [1, 0, 1, 0]
    """
    return selected.astype(str).str.strip().str.lower().isin(["true", "1", "1.0", "yes"]).to_numpy(np.int64)
