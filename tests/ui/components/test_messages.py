"""Python and the scripts of its components agree on what they tell each other."""

import pytest
from pydantic import ValidationError

from tests.fakes import messages


def test_the_scripts_types_of_all_messages_are_those_of_python():
    assert messages.FILE.read_text(encoding="utf-8") == messages.generated(), "run: python -m tests.fakes.messages"


def test_a_message_that_a_script_does_not_expect_is_found():
    messages.check("avhcurate_chips", '{"chips": [], "label": "", "handled": 3}')
    with pytest.raises(ValidationError):
        messages.check("avhcurate_chips", '{"chips": [], "label": ""}')
    with pytest.raises(AssertionError):
        messages.check("avhcurate_chips", '{"chips": [], "label": "", "handled": 3, "more": 1}')
