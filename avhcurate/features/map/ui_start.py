"""The form that makes a map: `avhcurate project` as a job."""

from dataclasses import replace

from avhcurate.features.map.settings import ProjectSettings
from avhcurate.features.map.store import MapFolder, maps
from avhcurate.ui.base.frame import Opened
from avhcurate.ui.base.job_forms import first_job, job_form, of_run
from avhcurate.ui.base.layout import in_a_row

STORY = "Images that the network sees alike lie close together: draw around some to see them next to the map."
_WHY = """
Every image becomes a point near those whose embeddings have a similar direction, with the class weights among them.
PCA is quick and shows the broad directions; UMAP takes longer and shows which images are neighbours. Draw around a
group to see its images and to tag, relabel, exclude, export or save them.
"""


def maps_of_run(page: Opened) -> list[MapFolder]:
    """Return the complete maps of the open run, oldest first."""
    return maps(page.run)


def first(page: Opened) -> None:
    """Draw what the page is for, and the form, before there is a map."""
    usual = ProjectSettings(**of_run(page))
    first_job(replace(page, story=STORY), "No map of this run yet", "bubble_chart", _WHY, usual, form)


def form(page: Opened) -> None:
    """Draw the options, and the button that starts the job."""
    with job_form("map.start_", ProjectSettings, **of_run(page)) as fields, in_a_row():
        fields.ask("neighbours", "seed", "limit", width=140)
        fields.submit("Make the map")
