"""What other tools write about the photos of the guides."""

import json
import shutil
from pathlib import Path


def write_other_tools(home: Path) -> None:
    """Write a project of CVAT, a dataset of FiftyOne and tasks of Label Studio about the images of `home`."""
    photos = sorted((home / "photos").rglob("*.jpg"))
    labels = {file.relative_to(home / "photos").as_posix(): file.parent.name for file in photos}
    for tool, inside in (("cvat", "images"), ("fiftyone", "data")):
        shutil.copytree(home / "photos", home / tool / inside)
    images = "".join(f'<image id="0" name="{path}"><tag label="{label}"/></image>' for path, label in labels.items())
    (home / "cvat" / "annotations.xml").write_text(f"<annotations>{images}</annotations>")
    content = {"classes": ["cat", "dog"], "labels": {path[:-4]: label for path, label in labels.items()}}
    (home / "fiftyone" / "labels.json").write_text(json.dumps(content))
    tasks = [
        {
            "data": {"image": f"/data/local-files/?d=photos/{path}"},
            "annotations": [
                {
                    "completed_by": 1,
                    "result": [{"type": "choices", "from_name": "what", "value": {"choices": [label]}}],
                }
            ],
        }
        for path, label in labels.items()
    ]
    (home / "tasks.json").write_text(json.dumps(tasks))
