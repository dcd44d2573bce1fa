"""The Classes page: a pair with its angle and crossings, merged by a button, and a class that is split."""

from avhcurate.datasets.curate import classes
from avhcurate.datasets.curate.annotations import annotate
from avhcurate.datasets.table.dataset_table import open_table
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.classes.service import classes_of


def test_the_first_pair_is_said_in_words_and_merged_and_undone(open_page, own_digits):
    first = classes_of(own_digits).pairs.iloc[0]
    app = open_page("classes", own_digits.workspace.root)
    said = f"{first['first']} and {first['second']}: {100 * first['crossings']:.0f} % of simulated votes cross, means"
    assert any(said in text.value for text in app.markdown)
    app.button(key=f"classes.act.{first['first']}/{first['second']}").click().run()
    after = open_table(own_digits.workspace, "digits")
    assert first["second"] not in after.classes
    assert first["first"] in after.classes
    assert not app.exception
    assert f"{first['first']} + {first['second']}" in " ".join(caption.value for caption in app.caption)
    (undo,) = [button for button in app.button if (button.key or "").startswith("classes.undo.")]
    undo.click().run()
    assert not app.exception
    assert open_table(own_digits.workspace, "digits").classes == own_digits.classes


def test_a_merged_class_is_offered_to_be_split_into_what_it_was(open_page, own_digits):
    classes.merge(own_digits, ["3", "8"], "round")
    app = open_page("classes", own_digits.workspace.root, classes__part="split")
    assert any("round: two parts of its embeddings" in text.value for text in app.markdown)
    app.button(key="classes.act.round/round 2").click().run()
    assert not app.exception
    assert open_table(own_digits.workspace, "digits").classes[-1] == "round 2"


def test_images_stand_under_the_class_that_they_have_now(open_page, own_digits):
    annotate(own_digits, own_digits.order(Filters(classes=(3,)))[:40].tolist(), "relabel", 8)
    pair = next(n for n, row in classes_of(own_digits).pairs.iterrows() if {row["first"], row["second"]} == {"3", "8"})
    app = open_page("classes", own_digits.workspace.root, classes__at=str(pair + 1))
    counts = own_digits.dataset.labels()
    shown = {text.value for text in app.markdown}
    assert {f"**3** · {(counts == 3).sum() - 40:,} images", f"**8** · {(counts == 8).sum() + 40:,} images"} <= shown
