"""What a second person says of decisions about labels, on the Annotators page, and the button that asks one."""

import streamlit as st

from avhcurate.datasets.curate.second_person import SecondPerson, second_person
from avhcurate.datasets.table.filters import Filters
from avhcurate.features.annotate import setup
from avhcurate.features.annotate.setup import CollectionSettings
from avhcurate.features.annotate.ui_annotators import estimate
from avhcurate.ui.base.cache import kept
from avhcurate.ui.base.frame import Opened, attempt
from avhcurate.ui.base.layout import apart, fact, help_menu, in_a_row
from avhcurate.ui.base.page_choices import gallery_link
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted
from avhcurate.ui.grid.pairs import Pair, pairs_html
from avhcurate.workspace.data.people import user

_MEANING = """
- A **decision** is a new label, the given one kept, or an exclusion without a reason, which says that the label is
  wrong.
- A **second person** has another name than who decided, and chose a class for the image on *Annotate* without seeing
  the decision. Without a sign-in a person is a name.
- **Agreement** and **Cohen's kappa** take the first such answer after the decision: an earlier one may have led to it.
  Exclusions name no class and are not in kappa. The images are those that were decided, not a random sample.
- `avhcurate export NAME --confirmed --out FILE` writes only decisions with which somebody else agrees.
"""
#: Contradicted decisions that are drawn.
_MOST = 24

_second_person = kept("Comparing decisions …")(second_person)


def decided_by(page: Opened, settings: CollectionSettings) -> None:
    """Draw by how many people labels were decided, how far a second one agrees, and the decisions contradicted."""
    second = _second_person(page.decisions, page.votes)
    if second.rows.empty:
        return
    with apart():
        st.header("Decided by one, or by two")
        with help_menu("annotators.second_meaning"):
            st.markdown(_MEANING)
    with in_a_row("top", gap="medium"):
        fact("By two or more", f"{second.confirmed:,}", f"of {counted(len(second.rows), 'decision')}")
        n, value, low, high = second.agreement
        agrees = ("–", "nobody has answered yet")
        if n:
            agrees = (f"{value:.0%}", f"{low:.0%}–{high:.0%}, {counted(n, 'decision')}")
        fact("A second person agrees", *agrees)
        estimate(second.kappa, second.kappa.name, second.kappa.value, second.kappa.low, second.kappa.high)
    waiting = int((second.rows["others"] == 0).sum())
    if waiting and settings.queue != "decided":
        st.button(
            f"Ask a second person about {counted(waiting, 'decision')}",
            key="annotators.ask_second",
            icon=":material/group:",
            help="Annotate then asks about these alone. What annotators are asked can be changed back above.",
            on_click=attempt,
            args=(_ask, page, settings),
            **for_curators("Setting up a collection"),
        )
    _contradicted(page, second)


def _ask(page: Opened, settings: CollectionSettings) -> None:
    setup.configure(
        page.votes,
        page.opened.run,
        page.opened.prediction,
        settings.with_(design="classify", queue="decided"),
        who=user(),
    )


def _contradicted(page: Opened, second: SecondPerson) -> None:
    """Draw decisions with which nobody else who answered agrees: what was decided, and what was said last."""
    rows = second.contradicted
    if rows.empty:
        return
    names = (*page.samples.classes, "wrong")
    with in_a_row("center"):
        st.markdown(f"**Others contradict {counted(len(rows), 'decision')}**: decided → said", width="content")
        gallery_link("Images", filters=Filters(excluded=None, ids=tuple(rows["id"].tolist())))
    pairs = [Pair(row["id"], names[row["label"]], names[row["said"]]) for row in rows.head(_MOST).to_dict("records")]
    st.html(pairs_html(page.samples, pairs))
