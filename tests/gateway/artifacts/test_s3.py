"""The artifact store on S3, over its real wire: s3fs against a server that speaks it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from gateway.artifacts.contents import digest_of
from gateway.artifacts.store import ArtifactsFailed, ArtifactStore, open_store
from tests.gateway.artifacts.test_store import adapter

pytest.importorskip("s3fs", reason="pip install 'trimtab[s3]'")
serving = pytest.importorskip("werkzeug.serving", reason="pip install 'moto[s3]' flask flask-cors")
moto = pytest.importorskip("moto.server", reason="pip install 'moto[s3]' flask flask-cors")

# aiobotocore leaves its session to the collector when s3fs lets it go.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture
def s3() -> Iterator[str]:
    """The address of an S3 server, with nothing in it."""
    server = serving.make_server("127.0.0.1", 0, moto.DomainDispatcherApplication(moto.create_backend_app))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join(10)
    server.server_close()


def bucket(s3: str, cache: Path, name: str = "models", *, made: bool = True) -> ArtifactStore:
    options = {
        "endpoint_url": s3,
        "key": "test",
        "secret": "test",
        "client_kwargs": {"region_name": "us-east-1"},
    }
    store = open_store(f"s3://{name}/trimtab", cache, options)
    if made:
        urlopen(Request(f"{s3}/{name}", method="PUT"), timeout=10).close()
    return store


def test_another_machine_gets_the_same_bytes(s3: str, tmp_path: Path) -> None:
    made = adapter(tmp_path / "made", "weights" * 3_000_000)  # more than one part of an upload
    url = bucket(s3, tmp_path / "cache").keep(made)
    assert url == f"s3://models/trimtab/{digest_of(made)}"
    assert digest_of(bucket(s3, tmp_path / "other").fetch(url)) == digest_of(made)


def test_a_bucket_that_is_not_there_is_named(s3: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactsFailed, match="s3://nowhere/trimtab"):
        bucket(s3, tmp_path / "cache", "nowhere", made=False).fetch(f"s3://nowhere/trimtab/{'0' * 64}")


def test_a_server_that_is_away_is_told_and_not_waited_for(tmp_path: Path) -> None:
    store = bucket("http://127.0.0.1:9", tmp_path / "cache", made=False)
    with pytest.raises(ArtifactsFailed, match="cannot be fetched"):
        store.fetch(f"s3://models/trimtab/{'0' * 64}")
