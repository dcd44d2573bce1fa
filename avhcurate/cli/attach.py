"""The verb that attaches outputs of a network computed elsewhere."""

from avhcurate.cli import options
from avhcurate.networks.scoring.settings import AttachSettings


@options.verb(AttachSettings)
def attach(settings: AttachSettings) -> None:
    from avhcurate.datasets.sources.attach import attach_run
    from avhcurate.datasets.sources.attached_arrays import AttachSpec

    spec = AttachSpec(**settings.model_dump(exclude={"dataset", "name"}))
    space = options.open_workspace()
    with options.job(settings) as progress:
        record = attach_run(space, settings.dataset, spec, run_name=settings.name, progress=progress).record
    if options.printed(record):
        return
    print(f"{record.samples - record.skipped} samples of {settings.dataset} attached as {record.name}")
    if record.attached is not None:
        options.print_messages(record.attached.notes)
    options.print_next_of_run(settings.dataset)
