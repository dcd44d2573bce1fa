"""How far annotators can be trusted: against hand counts, and planted bad ones are found and said why."""

import numpy as np
import pandas as pd
import pytest

from avhcurate.measures.stats.intervals import wilson
from avhcurate.people.annotators import ExclusionRule, annotator_table, exclusions
from avhcurate.people.responses import check_responses, correct_controls, votes_of


def classify(rows):
    """(path, annotator, answer, control, expected, reaction)"""
    names = ["path", "annotator", "answer", "control", "expected", "reaction_ms"]
    return pd.DataFrame(rows, columns=names).assign(design="classify")


def agreement_by_hand(responses):
    """For each annotator the mean over their votes of: is it (one of) the others' most frequent answers."""
    found = {}
    for who, own in responses.groupby("annotator"):
        marks = []
        for _, vote in own.iterrows():
            same = responses[(responses["path"] == vote["path"]) & (responses["annotator"] != who)]
            if len(same):
                counts = same["answer"].value_counts()
                tops = counts.index[counts == counts.max()].to_list()
                marks.append(1 / len(tops) if vote["answer"] in tops else 0)
        found[who] = (len(marks), np.mean(marks) if marks else np.nan)
    return found


def test_agreement_is_a_hand_count_over_the_others():
    rng = np.random.default_rng(0)
    rows = [
        (f"s{sample}", f"a{who}", "abc"[rng.integers(3)], "none", None, 900.0)
        for sample in range(40)
        for who in rng.choice(8, rng.integers(1, 8), replace=False)
    ]
    responses = classify(rows)
    table = annotator_table(responses).set_index("annotator")
    for who, (compared, agreement) in agreement_by_hand(responses).items():
        assert table.loc[who, "compared"] == compared
        assert table.loc[who, "agreement"] == pytest.approx(agreement)


def test_control_accuracy_counts_each_kind_of_control():
    kinds = ["none", "positive", "positive", "negative", "negative", "padding"]
    grid = pd.DataFrame({"path": ["v", "p", "p2", "n", "n2", "pad"], "control": kinds})
    grid = grid.assign(annotator="ann", design="select", answer="cat", selected=[True, True, False, False, True, True])
    checks = classify([("c", "ann", "cat", "attention", "cat", 500.0), ("d", "ann", "cat", "attention", "dog", 500.0)])
    both = pd.concat([grid, checks], ignore_index=True)
    assert correct_controls(check_responses(both)).to_list() == [pd.NA, True, False, True, False, pd.NA, True, False]
    table = annotator_table(both)
    row = table.iloc[0]
    assert (row["controls"], row["control_accuracy"], row["votes"], row["answers"]) == (6, 0.5, 1, 8)
    low, high = wilson(3, 6)
    assert (row["control_low"], row["control_high"]) == (pytest.approx(float(low)), pytest.approx(float(high)))


def test_the_last_answer_to_a_question_counts_and_controls_do_not():
    rows = [("s", "ann", "a", "none", None, 1.0), ("s", "ann", "b", "none", None, 1.0)]
    rows += [("s", None, "a", "none", None, 1.0)] * 2 + [("s", "ann", "c", "attention", "c", 1.0)]
    assert votes_of(check_responses(classify(rows)))["answer"].to_list() == ["b", "a", "a"]


def test_times_of_images_and_of_tiles():
    rows = [(f"s{n}", "ann", "a", "none", None, ms) for n, ms in enumerate([100.0, 299.0, 300.0, 1000.0, -1.0, None])]
    table = annotator_table(classify(rows)).iloc[0]
    assert table["median_ms"] == 299.5
    grid = pd.DataFrame({"path": [f"s{n}" for n in range(48)], "annotator": "bob", "task": "t"})
    grid = grid.assign(design="select", answer="cat", selected=False)
    toaster = annotator_table(grid.assign(reaction_ms=52_000)).iloc[0]
    assert toaster["median_ms"] == pytest.approx(52_000 / 48)


def panel(seed=1):
    """Twenty careful annotators, one who is careless, one who is too fast."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(4, size=60)
    rows = []
    for who in range(22):
        right = 0.25 if who == 20 else 0.9
        for sample in range(60):
            answer = truth[sample] if rng.random() < right else rng.integers(4)
            check = sample % 6 == 0
            expected = f"c{truth[sample]}" if check else None
            kind, time = "attention" if check else "none", 60.0 if who == 21 else rng.uniform(600, 2000)
            rows.append((f"s{sample}", f"a{who:02d}", f"c{answer}", kind, expected, time))
    return classify(rows)


def test_planted_bad_annotators_break_a_rule_each_for_a_reason():
    rule = ExclusionRule(control_accuracy=0.7, agreement=0.7, median_ms=100)
    found = exclusions(annotator_table(panel()), rule).set_index("annotator")["why"]
    assert set(found.index) == {"a20", "a21"}
    assert "controls right, below 70%" in found["a20"]
    assert "votes as most others, below 70%" in found["a20"]
    assert found["a21"] == "a median of 60 ms an image, below 100 ms"


def test_no_limit_leaves_out_nobody_and_few_answers_are_judged_by_their_number_alone():
    assert exclusions(annotator_table(panel()), ExclusionRule()).empty
    few = annotator_table(panel().groupby("annotator").head(4))
    assert exclusions(few, ExclusionRule(control_accuracy=1, agreement=1, median_ms=1e9)).empty
    assert exclusions(few, ExclusionRule(answers=5))["why"].unique().tolist() == ["4 answers, below 5"]
    assert exclusions(few, ExclusionRule(answers=4)).empty, "a limit may be reached"


def test_planted_bad_annotators_are_found():
    table = annotator_table(panel()).set_index("annotator")
    assert table.index[table["control_accuracy"] < 0.7].tolist() == ["a20"]
    assert table.index[table["agreement"] < 0.7].tolist() == ["a20"]
    assert table.index[table["median_ms"] < 100].tolist() == ["a21"]
