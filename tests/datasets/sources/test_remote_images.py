"""Images behind addresses, through the picture route."""

import threading

import anyio
import httpx
import pandas as pd
import pytest
from starlette.applications import Starlette

from avhcurate.datasets.sources.service import import_dataset
from avhcurate.ui.server import image_routes
from avhcurate.ui.server.image_routes import read_image
from avhcurate.workspace.images.decoding import BrokenImage, decode
from tests.fakes.sources import greys, png, tar_shard


def test_images_and_shards_in_s3_are_imported_and_proxied(workspace, tmp_path, s3):
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


def test_a_slow_or_missing_server_is_a_reason_and_not_a_fault(workspace, web, tmp_path):
    (web.folder / "a.png").write_bytes(png(3))
    pd.DataFrame({"url": [f"{web.url}/a.png", "http://127.0.0.1:1/b.png"], "label": [0, 1]}).to_csv(
        tmp_path / "m.csv", index=False
    )
    web.faults["/a.png"] = [503]
    first, second = greys(import_dataset(workspace, "d", tmp_path / "m.csv"))
    assert first == 3
    assert "connection refused" in str(second)


def test_a_server_that_hangs_takes_none_of_the_other_routes_with_it(workspace, web, tmp_path, monkeypatch):
    (web.folder / "a.png").write_bytes(png(3))
    (tmp_path / "m.csv").write_text(f"url,label\n{web.url}/a.png,0\n")
    import_dataset(workspace, "d", tmp_path / "m.csv")
    monkeypatch.setenv("AVHCURATE_WORKSPACE", str(workspace.root))
    answered = threading.Event()

    def hang(*given, **named):
        answered.wait(60)
        return read_image(*given, **named)

    monkeypatch.setattr(image_routes, "read_image", hang)
    statuses = []

    async def ask(client):
        statuses.append((await client.get("/images/d/0")).status_code)

    async def sixty_tiles_and_a_health_check():
        transport = httpx.ASGITransport(app=Starlette(routes=image_routes.routes()))
        client = httpx.AsyncClient(transport=transport, base_url="http://here", timeout=60)
        async with client, anyio.create_task_group() as tiles:
            for _ in range(60):
                tiles.start_soon(ask, client)
            await anyio.sleep(0.5)
            try:
                with anyio.fail_after(20):
                    return (await client.get("/health")).status_code
            finally:
                answered.set()

    assert anyio.run(sixty_tiles_and_a_health_check) == 200
    assert statuses == [200] * 60
