"""An error's text is parts: whatever is done with it, nobody meets the string that carried them in an f-string."""

import copy
import json
import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avhcurate.errors import CurateError, NothingFound, Option, Run, Text
from tests.fakes.refusals import refused

FIT = Option("head", "fit")
TRAIN = Run("train", "a b", folds="3", force=True)
ERROR = NothingFound(f"{FIT} of 'pets' is odd.", fix=f"{TRAIN}, or leave {FIT} out")
SHELL = "--head fit of 'pets' is odd. Run `avhcurate train 'a b' --folds 3 --force`, or leave --head fit out."

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufdd0"), max_size=9)
VALUES = WORDS | st.just(True)
RUNS = st.builds(
    lambda verb, given, options: Run(verb, *given, **options),
    WORDS,
    st.lists(WORDS, max_size=2),
    st.dictionaries(st.sampled_from(["model", "folds"]), VALUES),
)
PARTS = st.lists(WORDS | st.builds(Option, WORDS, VALUES) | RUNS, max_size=6)


def test_an_error_is_said_in_the_words_of_a_shell_wherever_it_is_written(caplog):
    logging.getLogger("tests").error("%s", ERROR.text)
    assert caplog.messages == [SHELL]
    assert {str(ERROR), str(ERROR.text), f"{ERROR}", f"{ERROR.text}"} == {SHELL}
    assert (str(ERROR.what), str(ERROR.fix)) == (SHELL.partition(". ")[0] + ".", SHELL.partition(". ")[2][:-1])
    assert not any("\ufdd0" in repr(each) for each in (ERROR, ERROR.text, ERROR.text[1:3], *ERROR.text))


def test_a_slice_or_a_sum_of_a_text_keeps_whole_parts():
    assert ERROR.fix[:1] == (TRAIN,)
    assert ERROR.what + ERROR.fix == (FIT, " of 'pets' is odd.", TRAIN, ", or leave ", FIT, " out")
    assert Text("pets: ", ERROR.what, " ", ERROR.fix)[:2] == ("pets: ", FIT)
    assert not Text()
    assert not CurateError("It is odd.").fix


def text_of(part):
    return part if isinstance(part, str) else part.name if isinstance(part, Option) else f"R{part.command}"


@given(PARTS)
def test_parts_survive_an_f_string_a_record_and_another_process(parts):
    text = Text(*parts)
    assert [part for part in text if not isinstance(part, str)] == [part for part in parts if not isinstance(part, str)]
    assert text.words(lambda option: option.name, lambda run: f"R{run.command}") == "".join(map(text_of, parts))
    assert Text("".join(f"{part}" for part in parts)) == text
    assert Text(json.loads(json.dumps(text.packed()))) == text
    for there in (pickle.loads(pickle.dumps(CurateError(text, fix=TRAIN))), copy.copy(CurateError(text, fix=TRAIN))):
        assert (there.what, there.fix, there.text) == (text, (TRAIN,), Text(text, " ", TRAIN, "."))


def test_a_kind_of_error_survives_another_process():
    there = pickle.loads(pickle.dumps(ERROR))
    assert (type(there), there.text, there.exit_code) == (NothingFound, ERROR.text, 3)


@pytest.mark.parametrize("name", ["\ufdd0", "\ufdd0\ufdd0", "\ufdd0{}\ufdd0", "\ufdd0[1]\ufdd0", '\ufdd0["a"\ufdd0'])
def test_a_file_that_has_the_mark_in_its_name_is_a_text(name):
    text = CurateError(f"No file {name}", fix=f"Give {FIT}").text
    assert [part for part in text if not isinstance(part, str)] == [FIT]


def test_runs_are_equal_where_all_that_they_say_is():
    others = [Run("train", "a b", folds="3"), Run("train", "a b", folds="4", force=True), Run("train", "a", "b")]
    assert Run("train", "a b", force=True, folds="3") == TRAIN
    assert TRAIN not in others
    assert len({TRAIN, *others, Run("train", "a b", folds="3")}) == 4


def fail(*about, what="'pets' has 3 classes.", fix=TRAIN):
    with refused(*about):
        raise CurateError(what, fix=fix)


def test_a_refusal_is_about_what_it_mentions_and_exactly_what_it_advises():
    fail("pets", 3, TRAIN)
    for about in ((3,), (3, Run("train", "a b")), (4, TRAIN), (3, TRAIN, FIT), (FIT, TRAIN)):
        with pytest.raises(AssertionError, match="pets"):
            fail(*about)
