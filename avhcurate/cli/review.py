"""`avhcurate review`: from a folder of photos to the first suspect, or to a map where there is nothing to compare."""

import os
import sys
import webbrowser
from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.datasets.sources.settings import ReviewSettings

if TYPE_CHECKING:
    from avhcurate.workspace.data.workspace import Workspace


@options.verb(ReviewSettings, group="Start")
def review(settings: ReviewSettings) -> None:
    from avhcurate.cli.photo_review import PhotoReview
    from avhcurate.datasets.sources.service import absolute, name_for
    from avhcurate.people.log import open_response_log
    from avhcurate.workspace.disk.jobs import JOB_VARIABLE

    options.path(settings.source)
    space = options.open_workspace()
    name = settings.dataset or name_for(space, settings.source)
    settings = settings.with_(source=absolute(settings.source), dataset=name)
    of_app = os.environ.get(JOB_VARIABLE)  # which is there, and opens the page
    with options.job(settings) as progress:
        work = PhotoReview(space, settings, progress)
        if work.locked:
            options.print_messages([work.locked])
        open_response_log(space.root)
        first = work.first()
        if first and not of_app:
            show(space, first)
        address = work.whole()
    options.print_dataset(space.dataset(name))
    if not of_app:
        show(space, address, again=bool(first))
        wait(space)


def show(space: "Workspace", address: str, *, again: bool = False) -> None:
    """Serve the app, print the address of a page, and open it where there is a browser, unless that was done before."""
    from avhcurate.notebook.server import server_of

    page = f"{server_of(space).address}/{address}"
    print(page, flush=True)
    windows = os.name == "nt" or sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    if windows and not again:
        webbrowser.open(page)


def wait(space: "Workspace") -> None:
    """Let the app be there until an interrupt."""
    from avhcurate.notebook.server import server_of

    print("Ctrl-C ends the app; `avhcurate serve` opens it again.", flush=True)
    server_of(space).wait()
