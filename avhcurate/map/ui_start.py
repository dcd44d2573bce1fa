"""The form that makes a map: `avhcurate project` as a job."""

from dataclasses import dataclass
from functools import partial

from avhcurate.data.background import Command
from avhcurate.map.service import DEFAULT_NEIGHBOURS
from avhcurate.map.store import MapFolder, maps
from avhcurate.ui.frame import Opened
from avhcurate.ui.job_forms import await_more, fill_page, job_form, number, row
from avhcurate.ui.layout import empty_state

_WHY = """
Every sample becomes a point near those whose embeddings have a similar direction, with the class weights among them.
PCA is quick and shows the broad directions; UMAP takes longer and shows which samples are neighbours. Draw around a
group to see its images and to tag, relabel, exclude, export or save them.
"""


@dataclass(frozen=True)
class Project(Command):
    """Options of `avhcurate project`.

    >>> Project("pets", "resnet-1", neighbours=30, seed=0).argv
    ['project', 'pets', '--model=resnet-1', '--neighbours=30', '--seed=0']
    """

    verb = "project"
    dataset: str
    model: str = ""
    neighbours: int = number(
        "Of each sample in UMAP: few show detail, many the whole.",
        low=2,
        max_value=200,
        default=DEFAULT_NEIGHBOURS,
        label="Neighbours",
    )
    seed: int | None = number(
        "With a seed UMAP makes the same map again. It then runs on one thread and takes 1.5 times as long.",
        "none",
        140,
        low=0,
        max_value=2**32 - 1,
    )
    limit: int | None = number("So many samples, spread evenly.", "all", 140, label="Samples")


def maps_of_run(page: Opened) -> list[MapFolder]:
    """The complete maps of the run that is open, oldest first."""
    assert page.table.run is not None
    return maps(page.table.run)


def first(page: Opened, *, busy: bool) -> None:
    """What the page is for, and the form; shown before there is a map, and while the first one is made."""
    assert page.table.run is not None
    usual = Project(page.table.dataset.name, page.table.run.name)
    form = partial(_first_form, page, usual, busy=busy)
    empty_state("No map of this run yet", "bubble_chart", _WHY, form, command=usual.line)
    if busy:
        await_map(page, 0)


def _first_form(page: Opened, usual: Project, *, busy: bool) -> None:
    fill_page(page.workspace.root, usual, busy=busy)
    form(page, busy=busy)


def await_map(page: Opened, number: int) -> None:
    """Runs the page again as soon as the run has more or fewer maps than `number`."""
    await_more(lambda: len(maps_of_run(page)), known=number)


def form(page: Opened, *, busy: bool) -> None:
    """How the map is made, and the button that starts the job."""
    assert page.table.run is not None
    about = {"dataset": page.table.dataset.name, "model": page.table.run.name}
    with job_form(page.workspace.root, "map.start_", Project, busy=busy, **about) as fields, row():
        fields.ask("neighbours", "seed", "limit")
        fields.submit("Make the map")
