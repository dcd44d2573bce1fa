"""The verb predict: HSF of every sample from the votes that some have."""

from avhcurate.cli import options
from avhcurate.features.predicted_hsf.settings import PredictSettings


@options.verb(PredictSettings)
def predict(settings: PredictSettings) -> None:
    from avhcurate.features.predicted_hsf.learning_curve import forecast_of
    from avhcurate.features.predicted_hsf.service import added_text, coverage_text, predict_hsf, predictions
    from avhcurate.people.queues import BIASED

    first = next(iter(settings.runs), None)
    table = options.run_table(settings.dataset, first)
    with options.job(settings) as progress:
        folder = predict_hsf(table, settings, progress=progress)
    record = folder.record
    result = {"record": record, "table": str(folder.scores_path)}
    if options.printed(result, lambda: predictions(options.run_table(settings.dataset, first))):
        return
    votes = "SIMULATED votes" if record.votes_simulated else "votes"
    print(f"{settings.dataset}: predicted HSF of {record.samples:,} samples from {votes} on {record.learnt:,}")
    print("runs: " + ", ".join(record.runs))
    if record.added:
        print(added_text(record))
    if biased := sorted(set(record.queues) & set(BIASED)):
        reach = "is weighted to the dataset" if record.weighted else "is of such samples and not of the dataset"
        print(f"votes came from the queue {' and '.join(biased)}: what follows {reach}")
    for point in record.curve[-1:]:
        print(f"Spearman with held-out HSF {point.rho:.3f} ({point.low:.3f} to {point.high:.3f}, n = {point.n:,})")
    if record.gain is not None:
        print(
            f"Spearman of confidence {record.confidence_rho:.3f}, difference {record.gain:.3f} "
            f"({record.gain_low:.3f} to {record.gain_high:.3f})"
        )
    options.print_table([row.model_dump() for row in record.coverage])
    print(coverage_text(record))
    curve = forecast_of(record)
    if curve is not None and (limit := curve.limit_text()):
        print(f"With many more voted samples these inputs would reach about {limit}, by a forecast from the curve.")
