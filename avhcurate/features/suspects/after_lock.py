"""Makes anew, without the locked labels, the run, neighbours and suspects that were made before a part was locked."""

from avhcurate.datasets.curate.locked import lags, refuse_before_lock
from avhcurate.datasets.table.open_dataset import OpenDataset, open_dataset
from avhcurate.features.suspects.service import find_suspects, seconds_of_sources
from avhcurate.features.suspects.settings import SuspectsSettings
from avhcurate.features.suspects.store import SuspectsFolder
from avhcurate.networks.neighbours.graph import NeighbourGraph
from avhcurate.networks.neighbours.service import SEARCH_SECONDS, find_neighbours
from avhcurate.networks.scoring.refit import refit, seconds_of_refit
from avhcurate.workspace.disk.jobs import SILENT, Progress


def follow_lock(opened: OpenDataset, *, progress: Progress = SILENT) -> OpenDataset:
    """Return the table of a run that knows no locked label: the open one, or one with heads fitted again.

    The heads are fitted to the stored features, and what the open run has of neighbours and suspects is made for the
    new one, which takes its place where it was chosen as the default. Raises CurateError for a run that may know locked
    labels by other ways than its heads, and Cancelled; the same call resumes.
    """
    run = opened.run
    dataset = opened.dataset
    if run is None or not dataset.locked_by:
        return opened
    if not lags(dataset, run.record):
        refuse_before_lock(dataset, run)
        return opened
    samples = run.record.samples
    seconds = {"heads": seconds_of_refit(run.record), "neighbours": SEARCH_SECONDS * samples}
    stages = progress.stages(seconds | {"suspects": seconds_of_sources(samples)})
    again = refit(dataset, run, progress=stages.begin("heads"))
    if NeighbourGraph.of_run(run).complete:
        find_neighbours(dataset, again, progress=stages.begin("neighbours"))
    if dataset.record.default_run == run.name:
        opened.workspace.choose_default(dataset.name, again.name)
    opened = open_dataset(opened.workspace, dataset.name, again.name)
    if SuspectsFolder.all_of(run, by="asked"):
        settings = SuspectsSettings(dataset=dataset.name, model=again.name)
        find_suspects(opened.run, opened.votes, settings, progress=stages.begin("suspects"))
    return opened
