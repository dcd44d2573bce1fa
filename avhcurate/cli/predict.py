"""The verb predict: HSF of every sample from the votes that some have."""

from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.features.predicted_hsf.settings import PredictSettings

if TYPE_CHECKING:
    from avhcurate.workspace.data.workspace import Workspace


@options.verb(PredictSettings)
def predict(settings: PredictSettings, space: "Workspace") -> None:
    from avhcurate.datasets.table.dataset_table import open_table
    from avhcurate.features.predicted_hsf.learning_curve import forecast_of
    from avhcurate.features.predicted_hsf.service import predict_hsf
    from avhcurate.people.queues import BIASED
    from avhcurate.workspace.data import background

    first = None
    if settings.runs and settings.runs[0] != "all":
        first = settings.runs[0]
    table = open_table(space, settings.dataset, first)
    with background.job(space.root, settings) as progress:
        folder = predict_hsf(table, settings, progress=progress)
    record = folder.record
    if options.as_json():
        options.print_json({"record": record.model_dump(mode="json"), "table": str(folder.scores_path)})
        return
    votes = "SIMULATED votes" if record.votes_simulated else "votes"
    print(f"{settings.dataset}: predicted HSF of {record.samples:,} samples from {votes} on {record.learnt:,}")
    print("runs: " + ", ".join(record.runs))
    biased = sorted(set(record.queues) & set(BIASED))
    if biased and record.weighted:
        print(f"votes came from the queue {' and '.join(biased)}: what follows is weighted to the dataset")
    elif biased:
        print(
            f"votes came from the queue {' and '.join(biased)}: what follows is of such samples and not of the dataset"
        )
    for point in record.curve[-1:]:
        print(f"Spearman with HSF of samples held out {point.rho} ({point.low} to {point.high}, n = {point.n:,})")
    print(f"Spearman of confidence {record.confidence_rho}, difference {record.gain}")
    rows = [("HSF", row) for row in record.coverage] + [("predicted", row) for row in record.coverage_predicted]
    options.print_table([{"of": kind, **row.model_dump()} for kind, row in rows])
    print(f"They claim {record.level:.0%} over all samples like the voted ones, for HSF of {record.votes} votes.")
    curve = forecast_of(record)
    if curve is not None:
        low, high = (float(end[0]) for end in curve.band(float("inf")))
        ends = f"{curve.limit:.2f} ({low:.2f} to {high:.2f})"
        print(f"With many more voted samples these inputs would reach about {ends}, by a forecast from the curve.")
