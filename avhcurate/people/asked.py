"""Images that somebody wants people to judge: they come first in the queue, and annotators are not told."""

from collections import Counter
from collections.abc import Collection

import numpy as np

from avhcurate.people.counting import VoteCounter
from avhcurate.people.hsf_source import left_out, source_choice
from avhcurate.people.responses import CANNOT_TELL, DESIGNS

#: The tag of such an image, and how many people are to answer.
ASKED = "ask-people"
PEOPLE = 3


def answers_about(counter: VoteCounter, ids: Collection[int]) -> dict[int, Counter[str]]:
    """Return how often each answer was given in the app about each of some samples, by id: of annotators who count."""
    columns = counter.log.columns(counter.dataset.id)
    of_path = counter.ids(columns)
    number_of = counter.class_numbers(columns)  # classes may have other names since
    answers: dict[int, Counter[str]] = {id: Counter() for id in ids}
    for design in DESIGNS:
        rows = columns.votes(design)
        rows = rows[np.isin(of_path[rows["path"]], list(ids))]
        rows = rows[~np.isin(rows["annotator"], left_out(columns, design, source_choice(columns)[1]))]
        for row in rows:
            number = number_of[row["answer"]]
            name = columns.classes.texts[row["answer"]]
            if number >= 0:
                name = counter.classes[number]
            if name == CANNOT_TELL:
                name = "cannot tell"
            elif row["selected"] == 0:
                name = f"not {name}"
            answers[int(of_path[row["path"]])][name] += 1
    return answers
