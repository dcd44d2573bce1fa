"""Correlation: how each score follows human judgement, over all samples and within each HSF bin."""

import streamlit as st

from avhcurate.correlation import ui as correlation_ui
from avhcurate.correlation.plots import per_bin, ranking
from avhcurate.correlation.service import HSF, export_table, to_latex
from avhcurate.correlation.ui import BOOTSTRAP, MOST_TO_BOOTSTRAP, SHOWN
from avhcurate.ui import frame
from avhcurate.ui.charts import show_chart
from avhcurate.ui.export_menu import download
from avhcurate.ui.grid_actions import nothing_matches
from avhcurate.ui.layout import halves
from avhcurate.ui.page_header import subtitle
from avhcurate.ui.score_help import explain_scores, score_name

st.title("Correlation")
page = frame.with_run() if frame.with_data().table.measures else frame.with_votes()
what = "human selection frequency" + (" or a measure of the images" if page.table.measures else "")
subtitle(page, f"Spearman correlation of every score with {what}, over all samples and within bins.")
if not page.count:
    nothing_matches()

wanted, possible = BOOTSTRAP.of(page.view), page.count <= MOST_TO_BOOTSTRAP
against = correlation_ui.choose_against(page)
result = correlation_ui.correlate(page.table, filters=page.filters, bootstrap=wanted and possible, against=against)
people = None if against == HSF else score_name(against).lower()
st.markdown(correlation_ui.summary(result))

name = f"{page.table.dataset.name}-correlation"
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    BOOTSTRAP.show(
        st.toggle,
        "Bootstrap intervals",
        page.view,
        value=wanted and possible,
        disabled=not possible,
        help="Percentile intervals over 1,000 resamples of the samples, in place of Fisher's z with Bonett and "
        "Wright's standard error. Takes some seconds; above 10,000 samples run `avhcurate correlate --bootstrap`.",
    )
    with st.container(horizontal=True, width="content", vertical_alignment="center", gap="xsmall"):
        explain_scores(
            [*dict.fromkeys(result.table["score"]), against], label="About the scores", key="correlation.explain"
        )
        download("CSV", export_table(result).to_csv(index=False), f"{name}.csv", key="correlation.csv")
        download("LaTeX", to_latex(result), f"{name}.tex", key="correlation.tex")

st.html(correlation_ui.table_html(result))
st.caption("  \n".join(filter(None, [correlation_ui.ceiling_sentence(result), correlation_ui.marks_sentence(result)])))

left, right = halves()
with left:
    st.markdown("**All samples**")
    ceiling = result.ceiling
    ends = None if ceiling.reason else (ceiling.ceiling, ceiling.ceiling_low, ceiling.ceiling_high)
    show_chart(
        ranking(result.table, ceiling=ends, simulated=result.simulated, against=people), key="correlation.ranking"
    )
with right:
    st.markdown(f"**Within bins of {score_name(against)}**" if people else "**Within HSF bins**")
    shown = SHOWN.show(
        st.multiselect,
        "Scores",
        page.view,
        list(dict.fromkeys(result.table["score"])),
        format_func=score_name,
        max_selections=5,
        label_visibility="collapsed",
        placeholder="Choose scores",
    )
    if shown:
        show_chart(per_bin(result.table, shown, simulated=result.simulated, against=people), key="correlation.bins")
st.caption(
    f"Agreement is Spearman turned by each score's hard end: above 0, the score finds hard what "
    f"{f'has little {people}' if people else 'people find hard'}. "
    f"Lines are 95 % {'bootstrap' if wanted and possible else 'analytic'} intervals."
    + ("" if people else " Bin edges: More filters, left.")
)

st.subheader("Two scores")
correlation_ui.compare(result, page.view)
