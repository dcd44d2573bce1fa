"""What a shell completes besides verbs and options: names of datasets, runs, classes and scores."""

import os
import re
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any

import typer

from avhcurate.workspace.data import names

#: The shell sets it to what it asks for, as "complete_bash".
_ASKED = "_AVHCURATE_COMPLETE"
#: Options that mean something new or a network in these verbs.
_OTHER_MEANING = {
    *(("import", "dataset"), ("fetch", "dataset"), ("review", "dataset")),
    *((verb, "model") for verb in ("score", "train", "self-train", "review")),
    *((verb, "source") for verb in ("import", "review")),
}
#: What bash takes for the start of another word or command.
_SPECIAL = re.compile(r"([^\w@%+=:,./-])")


def asked() -> bool:
    """Return whether this process is to complete a line for a shell."""
    return _ASKED in os.environ


def answer(app: Callable[[list[str]], Any]) -> None:
    """Print what completes the line, with `app(words)` for the verbs that it names; nothing where that fails."""
    if os.environ[_ASKED] == "complete_bash":
        _join_values()
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words = line.split()[1:]
    if not line[-1:].isspace():  # what is being typed may be the beginning of several verbs
        words = words[:-1]
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere), suppress(Exception):
        app(words)(args=[], prog_name="avhcurate")


def _join_values() -> None:
    """Take out the = of --option=value, which bash gives as a word of its own."""
    words = os.environ["COMP_WORDS"].split("\n")
    cursor = int(os.environ["COMP_CWORD"])
    kept = [word for at, word in enumerate(words) if word != "=" or at == cursor]
    os.environ |= {"COMP_WORDS": "\n".join(kept), "COMP_CWORD": str(cursor - words[:cursor].count("="))}


def of(option: str, verb: str = "") -> Callable[..., list[str]] | None:
    """Return the function that completes values of an option or argument, None where a shell cannot know them."""
    if (verb, option) in _OTHER_MEANING:
        return None
    return _BY_OPTION.get(option)


def _root(ctx: typer.Context) -> Path:
    return names.named_workspace(ctx.find_root().params.get("workspace")).expanduser()


def _datasets(ctx: typer.Context) -> list[str]:
    return [names.dataset_names(folder)[0] for folder in names.dataset_folders(_root(ctx))]


def _dataset(ctx: typer.Context) -> Path:
    """Return the folder of the dataset that the line names, else of avhcurate.toml; IndexError without one."""
    typed = [ctx.params.get(argument) for argument in ("dataset", "name", "first")]
    typed += [word for word in ctx.args if not word.startswith("-")]  # not read before an option without its value
    text = next(filter(None, typed), None) or names.project_settings().get("dataset", "")
    name = text.partition("@")[0]
    known = {folder: names.dataset_names(folder) for folder in names.dataset_folders(_root(ctx))}
    now = [folder for folder, (present, *_) in known.items() if present == name]
    before = [folder for folder, former in known.items() if name in former]
    return (now + before)[0]


def _runs(ctx: typer.Context) -> list[str]:
    return names.run_names(_dataset(ctx))


def _classes(ctx: typer.Context) -> Iterable[str]:
    folder = _dataset(ctx)
    record = names.dataset_record(folder)
    if record.get("classes_changed"):  # the log knows those of today
        from avhcurate.workspace.data.datasets import DatasetFolder

        return DatasetFolder(folder).record.classes
    classes: list[str] = record["classes"]
    return classes


def _scores(_: typer.Context) -> Iterable[str]:
    from avhcurate.measures.scores import SCORES

    return SCORES


def _names(find: Callable[[typer.Context], Iterable[str]], *, listed: bool = False) -> Callable[..., list[str]]:
    """Return a function that completes a name, or the last one of a list with commas."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        before = ""
        if listed:
            before = incomplete[: incomplete.rfind(",") + 1]
        with suppress(Exception):
            words = [f"{before}{name}" for name in find(ctx)]
            return [_quoted(word) for word in words if word.startswith(incomplete)]
        return []

    return complete


def _quoted(word: str) -> str:
    """Return a word as bash reads it; other shells quote what they insert."""
    if os.environ.get(_ASKED) == "complete_bash":
        return _SPECIAL.sub(r"\\\1", word)
    return word


_BY_OPTION: dict[str, Callable[..., list[str]]] = {
    **dict.fromkeys(("dataset", "name", "first", "second", "source", "target"), _names(_datasets)),
    **dict.fromkeys(("model", "run"), _names(_runs)),
    **dict.fromkeys(("score", "sort"), _names(_scores)),
    **dict.fromkeys(("to", "split", "retire"), _names(_classes)),
    "held_out": _names(_datasets, listed=True),
    "runs": _names(_runs, listed=True),
    "scores": _names(_scores, listed=True),
}
