"""The plot of AVH less confidence: it is drawn from the records, with networks of others beside the project's own."""

from benchmarks import forest


def test_the_plot_in_the_documents_is_that_of_the_records():
    own, others = forest.own(), forest.others()
    assert forest.OUT.read_text(encoding="utf-8") == forest.svg(
        {"Trained by this project": own, "Trained by others, with a bias in the head": others}
    )
    assert [len(own), len(others)] == [6, 4]
    assert all(row.low < row.value < row.high for row in own)
    assert own[0].value < -0.1 < max(row.value for row in own) < 0.001
