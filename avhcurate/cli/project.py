"""The verb project: a map of samples and class weights in two dimensions."""

from avhcurate.cli import options
from avhcurate.features.map.settings import ProjectSettings


@options.verb(ProjectSettings)
def project(settings: ProjectSettings) -> None:
    import numpy as np
    import pandas as pd

    from avhcurate.features.map.service import project_dataset

    with options.job(settings) as progress:
        folder = project_dataset(options.open_workspace(), settings, progress=progress)
    record = folder.record
    path = folder.root / "coordinates.parquet"
    if options.printed({"record": record, "coordinates": str(path)}, lambda: pd.read_parquet(path)):
        return
    placed = int(np.isfinite(folder.class_weights()).all(axis=1).sum())
    print(f"{settings.dataset}, {record.run}: map {record.name} of {record.placed:,} samples, {placed:,} class weights")
    print(f"{path} holds id, x and y. To see the map, run avhcurate serve and open the page Map.")
