"""An S3 server of our own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A server with the bucket `pictures`, and the credentials with which this process reads and writes it."""
    with serving_s3(monkeypatch) as client:
        yield client


@contextmanager
def serving_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Let a server run, with the bucket `pictures`; yields a client that writes into it."""
    s3fs = pytest.importorskip("s3fs", reason="s3fs is missing: install avhcurate[remote]")
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
    s3fs.S3FileSystem.clear_instance_cache()  # of a server before
    yield client
    moto.stop()
    s3fs.S3FileSystem.clear_instance_cache()
