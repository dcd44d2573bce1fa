"""A test that changes a workspace which others read fails, and says which test it is."""

import pytest


def test_a_change_of_a_shared_workspace_is_refused(demo_root, own_demo_root):
    with pytest.raises(AssertionError, match=r"refused \(call\) changes .*, which tests share"):
        (demo_root / "datasets" / "digits" / "new").mkdir()
    (own_demo_root / "datasets" / "digits" / "new").mkdir()
