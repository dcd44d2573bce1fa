"""What the command line prints for people."""

import datetime
import warnings

import pandas as pd

from avhcurate.cli.printing import print_table


def test_numbers_are_rounded_and_days_stay_without_a_warning(capsys):
    day = datetime.datetime(2026, 5, 4, tzinfo=datetime.UTC)
    rows = pd.DataFrame(
        {"when": pd.to_datetime([day, None], utc=True), "n": [3, 4], "avh": [0.12345, None], "who": "a"}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        print_table(rows, digits=2)
    said = capsys.readouterr().out
    assert "2026-05-04" in said
    assert "0.12 " in said
    assert "0.123" not in said
