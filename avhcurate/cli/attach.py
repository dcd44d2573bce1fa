"""The verb that attaches outputs of a network computed elsewhere."""

from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.networks.scoring.settings import AttachSettings

if TYPE_CHECKING:
    from avhcurate.workspace.data.workspace import Workspace


@options.verb(AttachSettings)
def attach(settings: AttachSettings, space: "Workspace") -> None:
    from avhcurate.datasets.sources.attach import attach_run
    from avhcurate.datasets.sources.attached_arrays import AttachSpec
    from avhcurate.workspace.data import background

    spec = AttachSpec(**settings.model_dump(exclude={"dataset", "name"}))
    with background.job(space.root, settings) as progress:
        record = attach_run(space, settings.dataset, spec, run_name=settings.name, progress=progress).record
    if options.as_json():
        print(record.model_dump_json())
        return
    print(f"{record.samples - record.skipped} samples of {settings.dataset} attached as {record.name}")
    if record.attached is not None:
        options.print_messages(record.attached.notes)
    options.print_next_of_run(settings.dataset)
