"""The consensus on the Annotators page: what it rests on, and first the images whose majority the network outvoted."""

import streamlit as st

from avhcurate.datasets.table.filters import Filters
from avhcurate.errors import CurateError
from avhcurate.features.annotate.consensus import find_consensus
from avhcurate.ui.base.frame import Opened, attempt
from avhcurate.ui.base.layout import apart, help_menu, in_a_row
from avhcurate.ui.base.page_choices import gallery_link
from avhcurate.ui.base.signin import for_curators
from avhcurate.ui.base.text import counted
from avhcurate.ui.base.user_errors import plain
from avhcurate.ui.grid.pairs import Pair, pairs_html
from avhcurate.workspace.data.consensus import NETWORK, TOLD_APART, ConsensusRecord

_MEANING = f"""
- {TOLD_APART}
- People are weighed by a confusion matrix each, which is that of all people where their answers are few. Some images
  are ambiguous to all, so equal answers do not add up to certainty.
- The network is a prior whose reliability is measured against the people, for each class that it predicts. It should
  not have learnt these labels: heads out of fold (`score --head fit`) have not.
- Consensus **of people**: the network says another class. **Of both**: it says the same. **Of network**: it says the
  same, and more people said another class.
- `avhcurate export NAME --labels consensus --out FILE` writes these labels.
"""
#: Changed images that are drawn.
_MOST = 24


def show_consensus(page: Opened) -> None:
    """Draw the consensus, or the button that makes it."""
    counts = page.samples.votes
    if counts is None or counts.kind == "tick":
        return
    with apart():
        st.header("Consensus")
        with help_menu("annotators.consensus_meaning"):
            st.markdown(_MEANING)
    folder = page.opened.consensus
    new = folder is not None and folder.record.votes_fingerprint != counts.fingerprint
    if folder is None or new:
        st.button(
            {True: "Weigh the new votes", False: "Weigh the votes"}[new],
            key="annotators.consensus",
            icon=":material/balance:",
            help="The label of people, weighed by how reliable they are, and of the network: columns of every table.",
            on_click=_find,
            args=(page,),
            **for_curators("Making a consensus"),
        )
    if folder is None:
        return
    st.markdown(plain(folder.record.text))
    _changed(page, folder.record)


def _find(page: Opened) -> None:
    attempt(find_consensus, page.votes, page.opened.run, done="The votes are weighed")


def _changed(page: Opened, record: ConsensusRecord) -> None:
    """Draw the images whose majority the network outvoted, the least sure first: what most people say → consensus."""
    changed = Filters(panel=(NETWORK,))
    try:
        rows = page.samples.frame(changed, columns=["id", "consensus", "consensus_label_name"])
    except CurateError:
        return
    if rows.empty:
        return
    rows = rows.sort_values("consensus")
    with in_a_row("center"):
        st.markdown(
            f"**The network changed {counted(len(rows), 'image')}**: most people → consensus, the least sure first",
            width="content",
        )
        gallery_link("Images", filters=changed)
    pairs = [
        Pair(row["id"], _most(page, row["id"]), f"{row['consensus_label_name']} {row['consensus']:.2f}")
        for row in rows.head(_MOST).to_dict("records")
    ]
    st.html(pairs_html(page.samples, pairs))


def _most(page: Opened, id: int) -> str:
    """Return the class that most people say, and how many of them."""
    votes = page.votes.by_sample(id)
    if votes is None or votes.empty:
        return "no vote"
    counts = votes["counts"].iloc[0]
    most = int(counts.argmax())
    return f"{page.samples.classes[most]} {counts[most]} of {counts.sum()}"
