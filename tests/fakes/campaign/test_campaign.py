"""A short campaign holds, and an attack sees what falls."""

import gc
import os
from types import ModuleType

import duckdb
import pytest

from tests.fakes.campaign import images
from tests.fakes.campaign.__main__ import ATTACKS, campaign, main
from tests.fakes.campaign.mutations import MUTATIONS, ROOT, Mutation, mutated, try_all
from tests.fakes.campaign.outcome import Attack, Outcome
from tests.fakes.child import in_child
from tests.fakes.large_images import bombs

#: For all attacks together; `make test` and `make test-all` give them less and more.
MINUTES = float(os.environ.get("AVHCURATE_CAMPAIGN_MINUTES", "2"))
#: Twenty people sign in before they begin: together they take a minute, whatever the time.
LONG = ("together",)
MARKED = [pytest.param(a, id=a.name, marks=[pytest.mark.slow] * (a.name in LONG)) for a in ATTACKS]


def test_each_attack_has_its_row_where_its_promise_is_read():
    for page, cell in (("docs/reliability.md", "| {} |"), ("tests/fakes/campaign/README.md", "| `{}` |")):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [attack.name for attack in ATTACKS if f"\n{cell.format(attack.name)}" not in text] == []


@pytest.mark.parametrize("attack", MARKED)
def test_a_short_campaign_holds(attack):
    outcome = campaign(MINUTES * attack.share, [attack.name])[attack]
    assert attack.faults(outcome) == []


def test_an_attack_that_tried_too_little_has_not_held(monkeypatch, capsys):
    nothing = ModuleType("kills")
    nothing.LEAST, nothing.attack = 5, lambda folder, seconds: Outcome(tried=4)
    monkeypatch.setattr("tests.fakes.campaign.__main__.ATTACKS", (Attack(nothing, 1.0, ""),))
    monkeypatch.setattr("sys.argv", ["campaign"])
    assert main() == 1
    assert "FELL kills: not tried: 4 of at least 5" in capsys.readouterr().out


def test_a_child_leaves_alone_what_its_parent_has_left_for_the_collector():
    left = [duckdb.connect(config={"threads": 4})]
    left[0].execute("SELECT sum(n) FROM range(1_000_000) AS numbers(n)")
    left.append(left)
    del left
    assert in_child(gc.collect, limit=20).code == 0


@pytest.mark.slow
def test_a_decoder_that_raises_something_else_falls(tmp_path, monkeypatch):
    def broken(data):
        raise MemoryError

    monkeypatch.setattr("avhcurate.workspace.images.decoding.decode", broken)
    monkeypatch.setattr(images, "MOST", 20)
    monkeypatch.setattr(images, "FULL", ())
    outcome = images.attack(tmp_path, 300)
    assert len(outcome.fell) == 20 + len(bombs())
    assert "MemoryError" in outcome.fell[0]


def test_each_mutation_still_has_its_place_and_its_test():
    for mutation in MUTATIONS:
        assert mutated(mutation, ROOT) != (ROOT / mutation.file).read_text()
        file, name = mutation.test.split("::")
        assert f"def {name}(" in (ROOT / file).read_text(), mutation.name


@pytest.mark.slow
def test_a_mutation_that_no_test_notices_is_told(tmp_path):
    (tmp_path / "a.py").write_text("ONE = 1\n")
    (tmp_path / "test_a.py").write_text("import a\n\n\ndef test_one():\n    assert a.ONE < 3\n")
    small = Mutation("small", "a.py", "ONE = 1", "ONE = 2", "test_a.py::test_one")
    assert [(one.name, said) for one, said, _ in try_all([small], tmp_path)] == [("small", "NOT CAUGHT")]
