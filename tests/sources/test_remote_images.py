"""Images behind addresses, through the picture route."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from avhcurate.data.workspace import Workspace
from avhcurate.images.decoding import BrokenImage, decode
from avhcurate.sources.service import import_dataset
from avhcurate.ui.image_routes import read_image
from tests.fakes.sources import greys, png, tar_shard


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """An S3 server of our own, and the credentials with which this process reads it."""
    pytest.importorskip("s3fs", reason="s3fs is missing: install avhcurate[remote]")
    server = pytest.importorskip("moto.server", reason="moto's server is missing: install avhcurate[test]")
    boto3 = pytest.importorskip("boto3")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    moto = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    try:
        moto.start()
    except OSError as problem:
        pytest.skip(f"moto's S3 server cannot start here: {problem}")
    host, port = moto.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket="pictures")
    yield client
    moto.stop()


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
