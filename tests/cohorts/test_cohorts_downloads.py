"""Files of public datasets, downloaded from a server that misbehaves."""

import gzip
import hashlib
import io
import threading
import urllib.error
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mssvae import cohorts


@pytest.fixture
def server():
    """A web server that gives ``answers`` (status, body, length) in turn, the last one for good."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            answers = self.server.answers
            status, body, length = answers.pop(0) if len(answers) > 1 else answers[0]
            self.server.n_requests += 1
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.n_requests = 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(server, tmp_path, name="file.txt", **content):
    address = f"http://127.0.0.1:{server.server_port}/{name}"
    file = cohorts.RegistryFile(name, address, **content)
    return cohorts.fetch("GSE1", file, data_folder=None, cache=tmp_path / "cache", wait=0)


def test_a_download_succeeds_after_a_failed_try_and_is_kept(server, tmp_path):
    server.answers = [(500, b"", 0), (200, b"hel", 5), (200, b"hello", 5)]
    path = fetch(server, tmp_path)
    assert path == tmp_path / "cache" / "GSE1" / "file.txt"
    assert path.read_bytes() == b"hello"
    assert server.n_requests == 3
    assert fetch(server, tmp_path) == path
    assert server.n_requests == 3


def test_a_failed_download_names_file_and_address_and_leaves_nothing(server, tmp_path):
    server.answers = [(404, b"", 0)]
    with pytest.raises(
        cohorts.DownloadError,
        match=rf"file\.txt is not .* from http://127\.0\.0\.1:{server.server_port}/file\.txt in 3",
    ):
        fetch(server, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_download_that_breaks_off_leaves_nothing(server, tmp_path):
    server.answers = [(200, b"hel", 5)]
    with pytest.raises(cohorts.DownloadError, match="2 bytes too early"):
        fetch(server, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_response_that_refuses_is_closed(server, tmp_path, monkeypatch):
    body = io.BytesIO()

    def refuse(address, timeout):
        raise urllib.error.HTTPError(address, 403, "Forbidden", None, body)

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(cohorts.DownloadError, match="HTTP Error 403: Forbidden"):
        fetch(server, tmp_path)
    assert body.closed


def answer(body):
    return 200, body, len(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>Please log in</html>", "web page or XML and no gzip file"),
        (gzip.compress(b"hello")[:-4], "truncated, damaged"),
        (b"", "empty"),
    ],
    ids=["no gzip", "truncated", "empty"],
)
def test_a_download_that_is_no_whole_gzip_file_is_not_kept(server, tmp_path, body, message):
    server.answers = [answer(body)]
    with pytest.raises(cohorts.DownloadError, match=rf"in 3 attempts \(the .*{message}"):
        fetch(server, tmp_path, "file.txt.gz")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    server.answers = [answer(body), answer(gzip.compress(b"hello"))]
    assert gzip.decompress(fetch(server, tmp_path, "file.txt.gz").read_bytes()) == b"hello"


def test_a_download_with_a_wrong_checksum_is_not_kept(server, tmp_path):
    checksum = hashlib.sha256(b"hello").hexdigest()
    server.answers = [answer(b"other")]
    with pytest.raises(cohorts.DownloadError, match=rf"in 3 attempts \(expected .*{checksum}"):
        fetch(server, tmp_path, sha256=checksum)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    server.answers = [answer(b"other"), answer(b"hello")]
    assert fetch(server, tmp_path, sha256=checksum).read_bytes() == b"hello"
