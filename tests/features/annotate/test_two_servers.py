"""Two servers on one workspace: each sees at once what people do in the other, and none asks what the other asks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from avhcurate.datasets.curate.annotations import annotate, undo
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.features.annotate.annotators import responses
from avhcurate.features.annotate.queue import next_questions
from avhcurate.workspace.data.people import OPERATOR, acting_as
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes.votes import collect, make_labelled, say

#: The other server: its table is opened once, and refreshed before each act as it is before each page.
OTHER = """
import json, sys
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.open_dataset import open_dataset
from avhcurate.errors import Unavailable
from avhcurate.features.annotate.annotators import responses
from avhcurate.features.annotate.queue import next_questions
from avhcurate.workspace.data.workspace import Workspace
from avhcurate.workspace.disk.jobs import Jobs
from tests.fakes.votes import say

opened = open_dataset(Workspace(sys.argv[1]), "pets")
def asked():
    return [question.id for question in next_questions(opened.decisions, opened.votes, opened.run, "bob", ahead=20)]
def answer():
    question = next_questions(opened.decisions, opened.votes, opened.run, "bob")[0]
    return [say(opened, "bob", question, 1), question.id]
def job():
    try:
        Jobs(opened.dataset.root.parents[1]).refuse_second()
    except Unavailable as error:
        return str(error)
def state():
    frame = opened.samples.frame(columns=["tags", "excluded"])
    given = responses(opened.votes)[["annotator", "id"]].to_numpy().tolist()
    return [[id for id, tags in enumerate(frame["tags"]) if len(tags)], frame.index[frame["excluded"]].tolist(), given]

print("ready", flush=True)
for line in sys.stdin:
    opened.refresh()
    print(json.dumps(eval(line)), flush=True)
"""


@pytest.fixture
def there(workspace, database, monkeypatch):
    """Returns what an expression gives in the other server, on a dataset of 60 images."""
    monkeypatch.setenv("AVHCURATE_DATABASE_URL", database)
    make_labelled(workspace, [0, 1, 2] * 20)
    command = [sys.executable, "-c", OTHER, str(workspace.root)]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"

        def ask(expression):
            process.stdin.write(f"{expression}\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield ask
        process.stdin.close()


def test_two_servers_see_each_others_votes_decisions_and_jobs(there, workspace):
    opened = open_dataset(workspace, "pets")
    collect(opened, target=1, control_share=0.0)
    ours = next_questions(opened.decisions, opened.votes, opened.run, "ann", ahead=20)
    theirs = there("asked()")
    assert len(theirs) == len(ours) == 20
    assert not set(theirs) & {question.id for question in ours}

    assert say(opened, "ann", ours[0], 0) == ""
    assert there("answer()") == ["", theirs[0]]
    annotate(opened.decisions, [3], "tag", "blurred")
    assert there("annotate(opened.decisions, [4], 'exclude', None)") is not None
    opened.refresh()
    assert there("state()") == [[3], [4], [["ann", ours[0].id], ["bob", theirs[0]]]]
    assert opened.samples.frame(columns=["excluded"])["excluded"].sum() == 1
    assert responses(opened.votes)["id"].tolist() == [ours[0].id, theirs[0]]
    left = {question.id for question in next_questions(opened.decisions, opened.votes, opened.run, "cyd", ahead=60)}
    assert left == set(range(60)) - set(theirs) - {question.id for question in ours} - {4}

    with acting_as(OPERATOR):  # pages of a test before this one may have left another window
        assert undo(opened.decisions).action == "exclude"  # the other server's, by the same person
    assert there("state()")[1] == []
    jobs = Jobs(workspace.root)
    with jobs.running(jobs.create("score", "pets", ["score", "pets"])):
        assert "`score pets` is running" in there("job()")
    assert there("job()") is None
