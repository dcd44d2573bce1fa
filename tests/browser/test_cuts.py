"""Many answers at one page through cut connections: none is lost, none counts twice, and the page never stops.

For a night: AVHCURATE_STRESS_SEEDS=20 AVHCURATE_STRESS_ROUNDS=40 python -m pytest -s tests/browser/test_cuts.py
"""

import os

import pytest

from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.annotate import annotators
from avhcurate.workspace.data.workspace import Workspace
from tests.browser.cuts import answer_through_cuts
from tests.fakes.votes import collect

FIRST = int(os.environ.get("AVHCURATE_STRESS_FIRST", "0"))
SEEDS = int(os.environ.get("AVHCURATE_STRESS_SEEDS", "1"))
ROUNDS = int(os.environ.get("AVHCURATE_STRESS_ROUNDS", "8"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_answers_through_cut_connections_count_once_and_the_page_goes_on(new_context, own_demo_root, serve, seed):
    opened = open_dataset(Workspace(own_demo_root), "digits")
    collect(opened, control_share=0.0)
    story = answer_through_cuts(new_context(), serve(own_demo_root), seed, rounds=ROUNDS)
    opened.refresh()
    logged = sorted(map(tuple, annotators.responses(opened.votes, controls=True)[["id", "label"]].values.tolist()))
    images = [image for image, _ in story.given.values()]
    twice = sorted({image for image in images if images.count(image) > 1})
    lost = sorted(set(story.counted()) - set(logged))
    print(
        f"\nseed {seed}: {story.keys} keys, {story.cuts} cuts, {len(images)} answers, {len(logged)} in the log, "
        f"{len(twice)} twice, {len(lost)} lost, {len(story.refused)} refused, {len(story.skipped)} pictures skipped, "
        f"{story.loads - 1} reloads, errors {story.errors}, stuck: {story.stuck}"
    )
    assert story.stuck == ""
    assert story.refused == {}
    assert (twice, lost, story.skipped) == ([], [], set())
    assert logged == story.counted()
    assert len(logged) >= ROUNDS
    assert story.cuts >= ROUNDS
