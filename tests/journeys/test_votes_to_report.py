"""From a file of votes to a report: the bins, the correlation and both sets of the gap agree with own code."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.browser.pages import expect, open_at, settled
from tests.journeys.pictures import all_loaded

pytestmark = [pytest.mark.browser, pytest.mark.slow]
VOTED, ANSWERS = 600, 8


def votes_of(rows):
    """Answers of eight people a sample: the further from the class weights, the more often they name another class.

    Of every twelfth sample it is the other way round.
    """
    rng = np.random.default_rng(0)
    lines = []
    rows = rows.head(VOTED)
    share = rows["avh"].rank(pct=True)
    share = share.where(rows["id"] % 12 > 0, 1 - share) ** 2
    for row in rows.assign(share=share).itertuples():
        wrong = rng.random(ANSWERS) < 0.9 * row.share
        for number, other in enumerate(wrong):
            lines.append({"sample": row.path, "annotator": f"p{number}", "label": (row.label + other) % 10})
    return pd.DataFrame(lines)


def test_votes_become_bins_a_correlation_two_sets_and_a_report(page, own_page, serve, own_demo_root, cli, tmp_path):
    def run(*words):
        ended = cli(*words, "--workspace", own_demo_root)
        assert ended.code == 0, ended.err

    run("export", "digits", "--out", tmp_path / "before.csv")
    votes_of(pd.read_csv(tmp_path / "before.csv")).to_csv(tmp_path / "votes.csv", index=False)
    run("votes", "digits", tmp_path / "votes.csv", "--force")
    run("export", "digits", "--out", tmp_path / "table.csv")
    rows = pd.read_csv(tmp_path / "table.csv")
    voted = rows.dropna(subset="hsf")
    answers = pd.read_csv(tmp_path / "votes.csv").merge(rows[["path", "label"]], left_on="sample", right_on="path")
    hsf = (answers["label_x"] == answers["label_y"]).groupby(answers["path"]).mean()
    np.testing.assert_allclose(voted.set_index("path")["hsf"].sort_index(), hsf.sort_index())

    run("correlate", "digits", "--scores", "avh,confidence", "--out", tmp_path / "correlation.csv")
    table = pd.read_csv(tmp_path / "correlation.csv").set_index(["score", "bin"])
    for score in ("avh", "confidence"):
        for name, members in [("all", voted), *voted.groupby("hsf_bin")]:
            if name == "[0.8, 1]" or name == "all":
                rho = stats.spearmanr(members[score], members["hsf"]).statistic
                assert table.loc[(score, name), "spearman"] == pytest.approx(rho, abs=1e-6)
            assert table.loc[(score, name), "n"] == len(members)
    rho = table.loc[("avh", "all"), "spearman"]
    assert rho < -0.3  # as the votes were made

    address = serve(own_demo_root)
    open_at(page, f"{address}/correlation?dataset=digits")
    said = page.locator(".st-key-page-result").inner_text()
    other = table.loc[("confidence", "all"), "spearman"]
    assert f"{-rho:.3f} against {other:.3f}" in said
    assert f"n {VOTED}" in said

    run("disagree", "digits", "--out", tmp_path / "gap.csv")
    gap = pd.read_csv(tmp_path / "gap.csv")
    low, high = voted["avh"].quantile([0.2, 0.8])
    humans = voted[(voted["hsf"] <= 0.2) & (voted["avh"] <= low)]
    network = voted[(voted["hsf"] >= 0.8) & (voted["avh"] >= high)]
    for name, members in (("hard_for_humans", humans), ("hard_for_network", network)):
        assert set(gap.loc[gap["set"] == name, "id"]) == set(members["id"]), name
    assert len(network) > 0
    open_at(page, f"{address}/disagreement?dataset=digits")
    assert all_loaded(page)
    expect(settled(page).get_by_text(f"{len(network)} ").first).to_be_visible()

    run("report", "digits", "--out", tmp_path / "report.html")
    own_page.goto(f"file://{tmp_path}/report.html")
    report = own_page.locator("body").inner_text().replace("−", "-")
    assert f"{VOTED * ANSWERS:,} human votes on {VOTED} images" in report
    assert f"{rho:.3f}" in report
    assert f"({len(network)})" in report
    images = own_page.locator("img")
    assert images.count() > 0
    assert images.evaluate_all("all => all.every(image => image.naturalWidth > 0)")
