"""Files that are no votes are refused in one line, before they take memory."""

import pytest

from avhcurate.errors import CurateError
from avhcurate.people.files import read_votes


@pytest.mark.parametrize(
    "content",
    [
        "[" * 200_000,
        '[{"annotations": 5}]',
        '[{"annotations": [1]}]',
        '[{"annotations": [{"result": ["x"]}]}]',
        '[{"data": [1], "annotations": [{"result": [{"type": "choices", "value": {"choices": ["3"]}}]}]}]',
        '[{"data":{"path":"\\ud800"},"annotations":[{"result":[{"type":"choices","value":{"choices":["3"]}}]}]}]',
    ],
)
def test_json_that_is_no_export_is_refused_and_not_a_crash(tmp_path, content):
    (tmp_path / "votes.json").write_text(content)
    with pytest.raises(CurateError, match=r"votes\.json"):
        read_votes(tmp_path / "votes.json")


@pytest.mark.parametrize(
    "content",
    [
        "path,class,selected,shown\na.png,0,1,2000000000\n",
        "path,label,count\na.png,0,2000000000\n",
        "path,class,selected,shown\na.png,0,yes,10\n",
        "path,label,is_attn_check\na.png,0,maybe\n",
        "path," + "x" * 200_000 + "\n1,2\n",
    ],
)
def test_a_table_of_votes_that_makes_no_sense_is_refused_before_it_takes_memory(tmp_path, content):
    (tmp_path / "votes.csv").write_text(content)
    with pytest.raises(CurateError):
        read_votes(tmp_path / "votes.csv")
