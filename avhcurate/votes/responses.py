"""The table of responses, from the app or a file: its columns, and which rows are votes or right answers."""

from typing import Literal, get_args

import numpy as np
import pandas as pd

from avhcurate.errors import CurateError

#: Columns of a table of responses, a row an answer; see `check_responses`.
RESPONSE_COLUMNS = (
    *("path", "annotator", "design", "answer", "selected", "control", "expected", "reaction_ms", "task", "at"),
)
#: classify: which class is this image? select: which of these images show the class?
Design = Literal["classify", "select"]
DESIGNS: tuple[Design, ...] = get_args(Design)


def check_responses(responses: pd.DataFrame) -> pd.DataFrame:
    """The table with every column of `RESPONSE_COLUMNS`, missing ones added empty; refused where an answer is unclear.

    - path: the sample. annotator: who answered, missing where nobody knows.
    - design: `classify` (which class is this?) or `select` (does it belong to the class?).
    - answer: name of the class chosen (classify) or shown (select). selected: whether it was ticked, select only.
    - control: `none` for a vote, else what the image was there for (see `votes.grids.CONTROLS`).
    - expected: class name that an attention check should get; a grid's controls need none.
    - reaction_ms: milliseconds; of a grid, the time of the whole task on each of its rows.
    - task: rows of one grid or session share it. at: time of the answer, UTC.
    """
    if missing := [name for name in ("path", "design", "answer") if name not in responses]:
        raise CurateError(f"the responses have no column {', '.join(missing)}: they need path, design and answer")
    if unknown := sorted(set(responses["design"].astype(str)) - set(DESIGNS)):
        raise CurateError(f"there is no design {unknown[0]!r}: responses are of {' or '.join(DESIGNS)}")
    for name in ("path", "answer"):
        if responses[name].isna().any():
            row = int(np.flatnonzero(responses[name].isna())[0])
            raise CurateError(
                f"row {row} of the responses (counted from 0) has no {name}: fill it in or remove the row"
            )
    table = responses.reindex(columns=list(RESPONSE_COLUMNS))
    table["control"] = table["control"].astype(object).where(table["control"].notna(), "none")
    ticks = (table["design"] == "select") & (table["control"] != "padding")
    if ticks.any() and table.loc[ticks, "selected"].isna().any():
        raise CurateError("an answer of the design select does not say whether the image was ticked: fill in selected")
    table["at"] = pd.to_datetime(table["at"], utc=True, errors="coerce").astype("datetime64[us, UTC]")
    return table.reset_index(drop=True)


def votes_of(responses: pd.DataFrame) -> pd.DataFrame:
    """The rows that are votes: no controls, and of each annotator the last answer to a question.

    A question is a sample (classify), or a sample and the class it was shown for (select). Rows without an annotator
    all count.
    """
    votes = responses[responses["control"] == "none"]
    asked = votes["answer"].where(votes["design"] == "select", "")
    question = pd.DataFrame(
        {"design": votes["design"], "path": votes["path"], "asked": asked, "annotator": votes["annotator"]}
    )
    replaced = votes["annotator"].notna() & question.duplicated(keep="last")
    return votes[~replaced]


def questions(votes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """What each vote is an answer to and what it says, as codes (n,) int64 from 0.

    Answers of a grid are 1 for ticked and 0 for not; of single images, codes of the class names.
    """
    select = (votes["design"] == "select").to_numpy()
    asked = votes["answer"].astype(str).where(select, "")
    keys = pd.MultiIndex.from_arrays([votes["design"].astype(str), votes["path"].astype(str), asked])
    question = pd.factorize(keys)[0].astype(np.int64)
    said = pd.factorize(votes["answer"].astype(str))[0].astype(np.int64)
    return question, np.where(select, ticks_of(votes["selected"]), said)


def correct_controls(responses: pd.DataFrame) -> pd.Series:
    """Whether each answer to a control is right, as nullable booleans; missing for votes and padding.

    Right is: a positive control ticked, a negative one not, an attention check answered as expected.
    """
    ticked = ticks_of(responses["selected"]).astype(bool)
    control = responses["control"]
    as_expected = responses["answer"].astype(str) == responses["expected"].astype(str)
    right = np.select(
        [control == "positive", control == "negative", control == "attention"], [ticked, ~ticked, as_expected], False
    )
    judged = control.isin(["positive", "negative", "attention"])
    judged &= (control != "attention") | responses["expected"].notna()
    return pd.Series(right, index=responses.index).astype("boolean").where(judged)


def ticks_of(selected: pd.Series) -> np.ndarray:
    """1 for a tick however it is spelled, 0 for none and where nobody was asked, (n,) int64.

    >>> ticks_of(pd.Series([True, "no", "1", None])).tolist()
    [1, 0, 1, 0]
    """
    codes, values = pd.factorize(selected)
    ticked = [str(value).strip().lower() in ("true", "1", "1.0", "yes") for value in values]
    return np.array([*ticked, False], np.int64)[codes]
