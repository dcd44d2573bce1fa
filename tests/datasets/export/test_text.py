"""Texts of exports: a CSV is read back as it was written, whatever its texts hold."""

import csv

import pandas as pd
import pytest

from avhcurate.datasets.export.text import csv_text, text_file
from avhcurate.workspace.disk.files import safe_name
from avhcurate.workspace.disk.tabular import read_table

TEXTS = ["a\r=1+1", "a\rb", "a\r\nb", "a\nb", '"', '"\r\n"', ',"\r', "x"]


def test_texts_with_any_line_end_stay_in_their_row(tmp_path):
    frame = pd.DataFrame({"note": TEXTS, "n": range(len(TEXTS))})
    with text_file(tmp_path / "a.csv") as stream:
        stream.write(csv_text(frame[:3]))
        stream.write(csv_text(frame[3:], header=False))
    assert "\r" not in csv_text(pd.DataFrame({"note": ["a,b"], "n": [1]}))
    assert read_table(tmp_path / "a.csv").to_pydict() == {"note": TEXTS, "n": list(range(len(TEXTS)))}
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "a.csv"), frame, check_dtype=False)
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as stream:
        assert [row[0] for row in csv.reader(stream)] == ["note", *TEXTS]


@pytest.mark.parametrize(
    ("name", "safe"), [("Aux", "Aux_"), ("nul.txt", "nul_.txt"), ("com1 ", "com1_"), ("cone", "cone")]
)
def test_names_of_devices_become_names_of_files(name, safe):
    assert safe_name(name) == safe
