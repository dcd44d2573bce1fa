"""Breaks one guarantee after another in a copy of the tree, and shows the test that notices.

    python -m tests.fakes.campaign.mutations
    python -m tests.fakes.campaign.mutations --only "host,own session"

Exits with 1 where a mutation is caught by no test, or where its test fails without it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]


class Mutation(NamedTuple):
    """In `file`, `text`, which is there once, becomes `instead`; then `test` must fail."""

    name: str
    file: str
    text: str
    instead: str
    test: str


_GUARDS, _SIGNIN = "avhcurate/ui/server/guards.py", "avhcurate/ui/base/signin.py"
_FILES, _FILES_TEST = "avhcurate/workspace/disk/files.py", "tests/workspace/disk/test_files.py"
_FLUSHED = f"{_FILES_TEST}::test_content_and_name_are_flushed_around_the_rename"
_KILLED = (
    "tests/workspace/data/test_kills.py::test_what_a_kill_leaves_is_the_old_or_the_new_and_another_try_makes_the_new"
)
_SALVAGE, _SALVAGE_TEST = "avhcurate/datasets/table/salvage.py", "tests/datasets/table/test_salvage.py"
_REPAIR_KILLED = f"{_SALVAGE_TEST}::test_a_repair_that_is_killed_at_any_change_loses_nothing_and_is_finished_by_another"
_GUARDS_TEST = "tests/ui/server/test_guards.py"
_SENT = f"{_GUARDS_TEST}::test_files_go_into_the_own_session_of_a_curator_and_only_so_many_bytes"
#: The order in which votes are attached.
_VOTES = "    write_parquet(folder.votes_path(after), votes)\n"
_RECORD = '    folder.write_record(record.model_copy(update={"votes": after}))\n'

MUTATIONS = (
    Mutation(
        "any host",
        _GUARDS,
        "return [Middleware(Away), hosts, Middleware(Guard), Middleware(FirstPage)]",
        "return [Middleware(Away), Middleware(Guard), Middleware(FirstPage)]",
        f"{_GUARDS_TEST}::test_a_foreign_name_gets_no_page",
    ),
    Mutation(
        "pages of other sites",
        _GUARDS,
        "if origin is not None and urlsplit(",
        "if False and urlsplit(",
        f"{_GUARDS_TEST}::test_pages_of_other_sites_and_ports_are_refused",
    ),
    Mutation(
        "roles do not count",
        "avhcurate/workspace/data/people.py",
        "        raise NotAllowed(refused)\n",
        "        pass\n",
        "tests/datasets/curate/test_roles.py::test_each_role_may_do_what_it_names_and_nothing_above",
    ),
    Mutation("uploads by viewers", _GUARDS, "        role = Role.CURATOR\n", "        pass\n", _SENT),
    Mutation(
        "uploads into any session", _GUARDS, "session and not uploads.is_own(", "False and not uploads.is_own(", _SENT
    ),
    Mutation(
        "uploads without a cap",
        "avhcurate/ui/base/uploads.py",
        "stored.total() + int(size) > SERVER_BYTES",
        "stored.total() < 0",
        _SENT,
    ),
    Mutation(
        "signing out ends nothing",
        _SIGNIN,
        "        return\n    for token in [",
        "        return\n    return\n    for token in [",
        f"{_GUARDS_TEST}::test_a_copy_of_a_cookie_is_worth_nothing_once_its_user_has_signed_out",
    ),
    Mutation(
        "any e-mail address is believed",
        _SIGNIN,
        'return verified is True or verified in ("true", "True")',
        "return True",
        f"{_GUARDS_TEST}::test_a_sign_in_that_has_ended_or_is_not_verified_does_not_count",
    ),
    Mutation(
        "sign-ins never end",
        _SIGNIN,
        "        ended = True\n",
        "        ended = False\n",
        f"{_GUARDS_TEST}::test_a_sign_in_that_has_ended_or_is_not_verified_does_not_count",
    ),
    Mutation(
        "content is not flushed",
        _FILES,
        "            flush(stream)\n        os.replace(",
        "        os.replace(",
        _FLUSHED,
    ),
    Mutation(
        "names are not flushed",
        _FILES,
        "        os.replace(temporary, path)\n        flush_folder(path.parent)\n",
        "        os.replace(temporary, path)\n",
        _FLUSHED,
    ),
    Mutation(
        "files are overwritten, not renamed",
        _FILES,
        "        os.replace(temporary, path)\n",
        "        path.write_bytes(temporary.read_bytes())\n",
        _FLUSHED,
    ),
    Mutation(
        "the old dataset goes before the new comes",
        "avhcurate/workspace/data/workspace.py",
        "            os.rename(target, aside)\n        os.rename(staged.root, target)\n",
        "            shutil.rmtree(target)\n        os.rename(staged.root, target)\n",
        _KILLED,
    ),
    Mutation(
        "the record of a dataset goes before its votes",
        "avhcurate/people/attach.py",
        f"{_VOTES}{_RECORD}",
        f"{_RECORD}{_VOTES}",
        _KILLED,
    ),
    Mutation(
        "leftovers stay",
        "avhcurate/workspace/data/workspace.py",
        'FileLock(self.datasets / f".{id}.lock", timeout=0):\n                self._tidy(id)\n',
        'FileLock(self.datasets / f".{id}.lock", timeout=0):\n                pass\n',
        "tests/workspace/data/test_workspace.py"
        "::test_what_a_killed_process_left_is_removed_whenever_the_workspace_is_opened",
    ),
    Mutation(
        "a repair reads from one end only",
        _SALVAGE,
        "                yield before[1:]\n",
        "                pass\n",
        f"{_SALVAGE_TEST}::test_rows_on_both_sides_of_each_damaged_page_are_kept",
    ),
    Mutation(
        "a repair stops at the first damage",
        _SALVAGE,
        "            leap = 2 * leap + 1\n            continue\n",
        "            return\n",
        f"{_SALVAGE_TEST}::test_rows_on_both_sides_of_each_damaged_page_are_kept",
    ),
    Mutation(
        "a repair drops the log before it is merged",
        _SALVAGE,
        "            _merge(connection, path, database.with_name(",
        "            (lambda *_: None)(connection, path, made.with_name(",
        _REPAIR_KILLED,
    ),
    Mutation(
        "the damaged database goes before the new one comes",
        "avhcurate/workspace/data/logs.py",
        "        os.replace(database, path)\n",
        "        path.unlink(missing_ok=True)\n        os.rename(database, path)\n",
        _REPAIR_KILLED,
    ),
    Mutation(
        "a database of 0 bytes is taken for a new one",
        "avhcurate/workspace/data/logs.py",
        '        return "is empty (0 bytes)"\n',
        '        return ""\n',
        f"{_SALVAGE_TEST}::test_a_database_that_is_gone_is_damage_and_none_is_made_in_its_place",
    ),
    Mutation(
        "no budget",
        "avhcurate/workspace/disk/budget.py",
        "if needed > limit:",
        "if needed > limit ** 9:",
        "tests/workspace/disk/test_tabular.py::test_what_would_take_more_than_its_file_may_is_refused_before_it_is_read",
    ),
    Mutation(
        "zips leave their folder",
        "avhcurate/datasets/sources/uploads.py",
        'path.is_absolute() or ".." in path.parts or ":" in str(path)',
        "False",
        "tests/datasets/sources/test_uploads.py::test_a_zip_that_leaves_its_folder_or_fills_the_disk_is_refused_and_leaves_nothing",
    ),
    Mutation(
        "weights may run code",
        "avhcurate/networks/models/weights.py",
        'torch.load(path, map_location="cpu", weights_only=True)',
        'torch.load(path, map_location="cpu", weights_only=False)',
        "tests/networks/models/test_weights.py::test_a_pickle_with_code_is_refused_and_not_run",
    ),
)


def mutated(mutation: Mutation, root: Path) -> str:
    """Return the text of the file with the mutation; an error where its place is not there once."""
    text = (root / mutation.file).read_text(encoding="utf-8")
    if (found := text.count(mutation.text)) != 1:
        raise ValueError(f"{mutation.name}: {mutation.file} has its text {found} times")
    return text.replace(mutation.text, mutation.instead)


def try_all(mutations: Sequence[Mutation], root: Path) -> list[tuple[Mutation, str, float]]:
    """Return of each mutation "caught", or why not, and the seconds that its test took; `root` is a copy."""
    tests = sorted({mutation.test for mutation in mutations})
    if ended := _run(root, *tests):
        raise RuntimeError(f"the tests fail without a mutation, with code {ended}")
    found = []
    for mutation in mutations:
        path, started = root / mutation.file, time.monotonic()
        before = path.read_text(encoding="utf-8")
        path.write_text(mutated(mutation, root), encoding="utf-8")
        code = _run(root, mutation.test)
        path.write_text(before, encoding="utf-8")
        said = {0: "NOT CAUGHT", 1: "caught"}.get(code, f"NOT TRIED: pytest ended with {code}")
        found.append((mutation, said, time.monotonic() - started))
        print(f"{mutation.name}: {said}", file=sys.stderr, flush=True)
    return found


def _run(root: Path, *tests: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=root, env=environment, stdout=subprocess.DEVNULL, timeout=1800).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="parts of names, separated by commas")
    parts = parser.parse_args().only.split(",")
    chosen = [mutation for mutation in MUTATIONS if any(part in mutation.name for part in parts)]
    with tempfile.TemporaryDirectory(prefix="mutations-") as place:
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in files.decode().rstrip("\0").split("\0"):
            (Path(place) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, Path(place) / name)
        found = try_all(chosen, Path(place))
    print("| what is broken | caught by | | seconds |\n|---|---|---|---|")
    for mutation, said, seconds in found:
        print(f"| {mutation.name} | `{mutation.test}` | {said} | {seconds:.0f} |")
    return int(any(said != "caught" for _, said, _ in found))


if __name__ == "__main__":
    sys.exit(main())
