"""Images behind addresses, through the picture route."""

from pathlib import Path

import pandas as pd
import pytest

from avhcurate.data.workspace import Workspace
from avhcurate.images.decoding import BrokenImage, decode
from avhcurate.sources.service import import_dataset
from avhcurate.ui.image_routes import read_image
from tests.fakes.sources import greys, png, tar_shard


def test_images_and_shards_in_s3_are_imported_and_proxied(workspace: Workspace, tmp_path: Path, s3) -> None:
    s3.put_object(Bucket="pictures", Key="a b.png", Body=png(7))
    (tmp_path / "m.csv").write_text("url,label\ns3://pictures/a b.png,cat\ns3://pictures/gone.png,dog\n")
    folder = import_dataset(workspace, "d", tmp_path / "m.csv")
    first, second = greys(folder)
    assert first == 7
    assert "not found" in str(second)
    assert (decode(read_image(workspace, "d", 0)) == 7).all()
    with pytest.raises(BrokenImage):
        read_image(workspace, "d", 1)
    s3.put_object(
        Bucket="pictures",
        Key="a.tar",
        Body=tar_shard(tmp_path / "a.tar", {"0.png": png(1), "1.png": png(2)}).read_bytes(),
    )
    assert greys(import_dataset(workspace, "w", "wds:s3://pictures/a.tar")) == [1, 2]


def test_a_slow_or_missing_server_is_a_reason_and_not_a_fault(workspace: Workspace, web, tmp_path: Path) -> None:
    (web.folder / "a.png").write_bytes(png(3))
    pd.DataFrame({"url": [f"{web.url}/a.png", "http://127.0.0.1:1/b.png"], "label": [0, 1]}).to_csv(
        tmp_path / "m.csv", index=False
    )
    web.faults["/a.png"] = [503]
    first, second = greys(import_dataset(workspace, "d", tmp_path / "m.csv"))
    assert first == 3
    assert "connection refused" in str(second)
