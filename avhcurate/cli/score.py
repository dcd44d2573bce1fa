"""The verbs that make a run: score, and attach for outputs of a network computed elsewhere."""

from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.networks.scoring.settings import AttachSettings, ScoreSettings

if TYPE_CHECKING:
    from avhcurate.workspace.data.run_records import RunRecord


@options.verb(ScoreSettings, group="Start")
def score(settings: ScoreSettings) -> None:
    # What takes long to import is imported while the engine starts.
    with options.engine(settings.engine, "avhcurate.networks.scoring.image_pass") as engine:
        from avhcurate.datasets.curate.locked import lock_before
        from avhcurate.networks.scoring.accuracy import accuracy_of, chance_warning
        from avhcurate.networks.scoring.dataset_model import before_edit
        from avhcurate.networks.scoring.service import score_settings
        from avhcurate.workspace.disk.provenance import now

        name = settings.dataset
        space = options.open_workspace()
        begun = now()
        settings = settings.with_(classes=options.class_names(settings.classes))
        with options.job(settings) as progress:
            if locked := lock_before(space, settings):
                options.print_messages([locked])
            run = score_settings(space, settings, engine=engine, progress=progress)
    record = run.record
    if options.printed(record):
        return
    print(f"{record.samples} images of {name} scored as {run.root.name}, {record.skipped} skipped")
    dataset = space.dataset(name)
    again = f"`avhcurate remove {name} --run {run.name}`, and score again."
    if record.finished and record.finished < begun:
        print(f"It was scored before by the same network, and nothing ran now. For a new run: {again}")
    elif before := before_edit(dataset, record):
        print(f"{record.model} is not what it was in run {before}, so all images were scored anew.")
    if record.skipped:
        print(f"The column problem says why. Once these images can be read, or more memory is allowed, {again}")
    _print_arithmetic(record, settings)
    if record.rows is not None:
        print(f"{len(record.rows)} rows of the model's head were taken, by the names of the dataset's classes")
    fitted = record.fitted
    if fitted is not None and fitted.accuracy is not None:
        print(
            f"heads fitted on {fitted.samples} labels in {fitted.folds} folds: out of fold "
            f"{100 * fitted.accuracy:.2f} % right, loss {fitted.loss:.4f}; AVH by two folds' heads correlates at "
            f"{fitted.agreement:.4f}"
        )
    accuracy = accuracy_of(dataset, run)
    print(accuracy)
    if warning := chance_warning(dataset, run, accuracy):
        print(f"Warning: {warning}")
    options.print_next_of_run(name)


def _print_arithmetic(record: "RunRecord", settings: ScoreSettings) -> None:
    """Say where the numbers are not those of the fastest or of the exact way."""
    from avhcurate.networks.models.backends import AS_IS, FEW_IMAGES

    if record.backend and record.backend.why not in ("", FEW_IMAGES):
        how = "The network ran in float32"
        if record.backend.name == AS_IS:
            how = "The network ran as it is, which may be slower"
        print(f"{how}: {record.backend.why}")
    if record.precision == "tf32" and settings.precision == "auto":
        print("Products were rounded to TF32, as is usual on an NVIDIA GPU. For exact ones give `--precision float32`.")


@options.verb(AttachSettings, group="Start")
def attach(settings: AttachSettings) -> None:
    from avhcurate.datasets.sources.attach import attach_run
    from avhcurate.networks.scoring.accuracy import accuracy_of, chance_warning

    space = options.open_workspace()
    settings = settings.with_(classes=options.class_names(settings.classes))
    with options.job(settings) as progress:
        run = attach_run(space, settings, progress=progress)
    record = run.record
    dataset = space.dataset(settings.dataset)
    if options.printed(record):
        return
    print(f"{record.samples - record.skipped} images of {settings.dataset} attached as {record.name}")
    if record.attached is not None:
        options.print_messages(record.attached.notes)
    if warning := chance_warning(dataset, run, accuracy_of(dataset, run)):
        print(f"Warning: {warning}")
    options.print_next_of_run(settings.dataset)
