"""The verb project: a map of samples and class weights in two dimensions."""

from typing import TYPE_CHECKING

from avhcurate.cli import options
from avhcurate.features.map.settings import ProjectSettings

if TYPE_CHECKING:
    from avhcurate.workspace.data.workspace import Workspace


@options.verb(ProjectSettings)
def project(settings: ProjectSettings, space: "Workspace") -> None:
    import numpy as np

    from avhcurate.features.map.service import project_dataset
    from avhcurate.workspace.data import background

    with background.job(space.root, settings) as progress:
        folder = project_dataset(space, settings, progress=progress)
    record, path = folder.record, folder.root / "coordinates.parquet"
    if options.as_json():
        options.print_json({"record": record.model_dump(mode="json"), "coordinates": str(path)})
        return
    placed = int(np.isfinite(folder.class_weights()).all(axis=1).sum())
    print(f"{settings.dataset}, {record.run}: map {record.name} of {record.placed:,} samples, {placed:,} class weights")
    print(f"{path} holds id, x and y. To see the map, run avhcurate serve and open the page Map.")
