"""Who errs: how often each person says what the others together say, where these are sure."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avhcurate.measures.stats.intervals import wilson
from avhcurate.people.consensus import without_each

#: How sure the consensus of the others is of an image by which a person is judged, and the fewest such images.
SURE = 0.9
LEAST_JUDGED = 20
#: Whose accuracy is surely below this, and surely below that of the others together, errs.
GOOD = 0.9
#: The most people who are judged, those with the most answers: each needs the consensus of the others.
MOST_JUDGED = 30


def accuracy_by_others(
    samples: ArrayLike, annotators: ArrayLike, answers: ArrayLike, *, num_classes: int
) -> pd.DataFrame:
    """Return a row a person, by their code: `annotator, judged, accuracy, accuracy_low, accuracy_high, errs, confuses`.

    samples, annotators, answers: (A,) codes as `consensus` takes them, of people alone. accuracy: the share of the
    `judged` answers that are the consensus of the others, of images of which these are sure, with Wilson's interval;
    NaN where nobody else answered. errs: the interval is below `GOOD` and the accuracy below that of the others, of
    20 answers or more. confuses: the class that is most often called another, and the other, (-1, -1) for none.
    """
    votes = pd.DataFrame({"image": samples, "annotator": annotators, "label": answers}, dtype=np.int64)
    most = votes["annotator"].value_counts().index[:MOST_JUDGED]
    told = without_each(votes["image"], votes["annotator"], votes["label"], most, num_classes=num_classes)
    judged = pd.concat([_judged(votes, *each) for each in zip(told, most, strict=True)], ignore_index=True)
    rows = pd.DataFrame({"annotator": np.unique(votes["annotator"])}).set_index("annotator")
    by_person = judged.groupby("annotator")["right"]
    rows["judged"] = by_person.size().reindex(rows.index, fill_value=0)
    right = by_person.sum().reindex(rows.index, fill_value=0).to_numpy(float)
    number = rows["judged"].to_numpy()
    rows["accuracy"] = right / np.where(number > 0, number, np.nan)
    rows["accuracy_low"], rows["accuracy_high"] = wilson(right, number)
    others = (right.sum() - right) / np.maximum(number.sum() - number, 1)
    surely = rows["accuracy_high"].to_numpy() < np.minimum(others, GOOD)
    rows["errs"] = surely & (number >= LEAST_JUDGED)
    wrong = judged[~judged["right"]].groupby(["annotator", "told", "label"]).size()
    often = wrong.sort_values(ascending=False, kind="stable").reset_index().drop_duplicates("annotator")
    pairs = often.set_index("annotator")[["told", "label"]].apply(tuple, axis=1).to_dict()
    rows["confuses"] = [pairs.get(code, (-1, -1)) for code in rows.index]
    return rows.reset_index()


def _judged(votes: pd.DataFrame, told: np.ndarray, code: int) -> pd.DataFrame:
    """Return the answers of a person about images of which the others are sure: what these say is `told`."""
    own = votes[votes["annotator"] == code].drop_duplicates("image", keep="last")
    images = own["image"].to_numpy()
    rows = own.assign(told=told[images].argmax(axis=1))
    rows["right"] = rows["told"] == rows["label"]
    by_others = votes.loc[votes["annotator"] != code, "image"]
    return rows[(told[images].max(axis=1) >= SURE) & np.isin(images, by_others)]
