"""Long work called from Python, as a job of the workspace."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from avhcurate.data import background
from avhcurate.data.terminal import terminal_reports
from avhcurate.data.workspace import Workspace
from avhcurate.disk.jobs import Progress


@contextmanager
def running_job(
    workspace: Workspace, dataset: str, verb: str, given: Mapping[str, Any], *, resumes: bool = True
) -> Iterator[Progress]:
    """Runs the block as the job `verb` with the options `given`: the app shows it, cancels it and can resume it.

    Without `resumes` it has no command line: what lies in memory here is gone when another process would go on.
    """
    argv = [verb, dataset, *(argument for name, value in given.items() for argument in _argument(name, value))]
    argv = argv if resumes else []
    with terminal_reports() as show, background.run(workspace.root, verb, dataset, argv, on_report=show) as progress:
        yield progress


class Repeated(tuple[str, ...]):
    """Texts of an option that is given once for each."""


def _argument(name: str, value: Any) -> list[str]:
    """An option as the command line has it; none for what was not given.

    >>> _argument("batch_size", 8), _argument("mean", (0.5, 0.5)), _argument("out_of_fold", True)
    (['--batch-size=8'], ['--mean=0.5,0.5'], ['--out-of-fold'])
    >>> _argument("crop", None), _argument("prompt", Repeated(["a {}", "the {}"]))
    ([], ['--prompt=a {}', '--prompt=the {}'])
    """
    if value is None or value is False:
        return []
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, Repeated):
        return [f"{option}={text}" for text in value]
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return [option if value is True else f"{option}={text}"]
