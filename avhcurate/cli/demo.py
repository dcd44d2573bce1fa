"""`avhcurate demo`: the embedded digits, with `--full` what every page shows of them, or photos in their place."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.cli.consent import agree
from avhcurate.datasets.sources.settings import ADDED, SECONDS, DemoSettings, ReviewSettings
from avhcurate.errors import CurateError, Run, Text

if TYPE_CHECKING:
    from avhcurate.workspace.data.datasets import DatasetFolder
    from avhcurate.workspace.data.workspace import Workspace
    from avhcurate.workspace.disk.jobs import Progress


@options.verb(DemoSettings, group="Start")
def demo(settings: DemoSettings) -> None:
    from avhcurate.datasets.sources.demo import prepare_demo
    from avhcurate.people.log import open_response_log

    space = options.open_workspace()
    if settings.photos:
        photos(space, settings)
        return
    following = [["serve"], ["demo", "--full"], ["correlate", "digits"], ["disagree", "digits"]]
    with options.job(settings) as progress:
        if settings.full:
            del following[1]
            folder = fill_pages(space, progress)
        else:
            folder = prepare_demo(space, progress=progress)
    open_response_log(space.root)
    options.print_dataset(folder)
    print()
    options.print_next(following)


def photos(space: "Workspace", settings: DemoSettings) -> None:
    """Download public photos, once agreed to, and find the wrong labels among them; the same call resumes."""
    from avhcurate.cli.photo_review import PhotoReview
    from avhcurate.datasets.sources.fetch import PHOTOS, fetch_public, find_public
    from avhcurate.people.log import open_response_log

    if settings.full:
        raise CurateError("--full is of the digits, and --photos comes in their place. Leave one of them out.")
    agree(find_public(PHOTOS), settings.yes, "demo --photos")
    with options.job(settings) as progress:
        try:
            fetched = fetch_public(space, PHOTOS, progress=progress.titled("Fetch"))
        except CurateError as problem:
            raise CurateError(Text(problem.text, f" The digits need no network: {Run('demo')}.")) from problem
        assert fetched.folder is not None
        source = fetched.folder.record.source
        work = PhotoReview(space, ReviewSettings(source=source, dataset=PHOTOS), progress)
        open_response_log(space.root)
        work.first()
        work.whole()
    options.print_messages([*fetched.messages, *filter(None, [work.locked])])
    options.print_dataset(space.dataset(PHOTOS))
    print()
    options.print_next([["serve"], ["suspects", PHOTOS], ["columns", PHOTOS]])


#: What a step does; each does nothing where it is done already, and resumes where it was cut short.
Step = Callable[["Workspace", "Progress"], object]


def fill_pages(space: "Workspace", progress: "Progress") -> "DatasetFolder":
    """Take every step of the full demo in turn, and return the dataset; how far it is follows from `SECONDS` alone."""
    from avhcurate.workspace.disk.jobs import Progress

    def take(step: Step, progress: Progress) -> object:
        return step(space, Progress(lambda _, __, message: progress.report(0, 0, message), progress.should_stop))

    progress.steps({title: (SECONDS[title], partial(take, step)) for title, step in steps().items()})
    progress.report(1, 1, "all steps are done")
    return space.dataset("digits")


def steps() -> dict[str, Step]:
    """Return the steps in their order, by what they say of themselves, with the settings that their pages start with.

    Quality comes before the trainings, which tell copies of what they hold out by it. All but the trainings are of the
    default run, which pages open; the trainings come last, since a prediction of HSF learns from all runs.
    """
    from avhcurate.datasets.sources.demo import NAME, prepare_demo
    from avhcurate.datasets.table.open_dataset import open_dataset
    from avhcurate.features.map.service import project_dataset
    from avhcurate.features.map.settings import ProjectSettings
    from avhcurate.features.predicted_hsf.service import predict_hsf
    from avhcurate.features.quality.service import measure_dataset
    from avhcurate.features.suspects.service import find_suspects
    from avhcurate.features.suspects.settings import SuspectsSettings

    def suspect(space: "Workspace", progress: "Progress") -> object:
        opened = open_dataset(space, NAME)
        return find_suspects(opened.run, opened.votes, SuspectsSettings(dataset=NAME), progress=progress)

    def predict(space: "Workspace", progress: "Progress") -> object:
        opened = open_dataset(space, NAME)
        return predict_hsf(opened.samples, opened.run, opened.votes, progress=progress)

    of_package: dict[str, Step] = {
        "Digits": lambda space, progress: prepare_demo(space, progress=progress),
        "Quality": lambda space, progress: measure_dataset(space, NAME, progress=progress),
        "Suspects": suspect,
        "Predicted HSF": predict,
        "Map": lambda space, progress: project_dataset(space, ProjectSettings(dataset=NAME), progress=progress),
    }
    return of_package | {title: work for title, _, work in ADDED}
