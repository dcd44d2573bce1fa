"""The verb that attaches outputs of a network computed elsewhere."""

from avhcurate.cli import options
from avhcurate.errors import words
from avhcurate.networks.scoring.settings import AttachSettings


@options.verb(AttachSettings)
def attach(settings: AttachSettings) -> None:
    from avhcurate.datasets.sources.attach import attach_run
    from avhcurate.networks.scoring.accuracy import accuracy_of, chance_warning

    space = options.open_workspace()
    with options.job(settings) as progress:
        run = attach_run(space, settings, progress=progress)
    record = run.record
    dataset = space.dataset(settings.dataset)
    if options.printed(record):
        return
    print(f"{record.samples - record.skipped} samples of {settings.dataset} attached as {record.name}")
    if record.attached is not None:
        options.print_messages(record.attached.notes)
    if warning := chance_warning(dataset, run, accuracy_of(dataset, run)):
        print(f"Warning: {words(warning)}")
    options.print_next_of_run(settings.dataset)
