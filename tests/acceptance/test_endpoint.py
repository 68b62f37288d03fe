"""A run of the gate on a model behind a server, which dies in the middle."""

import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from support.gate import Gate

from quba_check.records.record import Record

CLIENT = """
from urllib.request import urlopen

import numpy as np

from quba_check import NumpyModel


def predict(images):
    with urlopen("{address}", images.tobytes(), timeout=10) as answer:
        return np.frombuffer(answer.read(), np.float32).reshape(-1, 3)


def served():
    return NumpyModel(predict, size=8, is_endpoint=True)
"""


class Server(ThreadingHTTPServer):
    """Answers with the mean of each colour channel; after `most` images it closes connections unanswered."""

    images = 0
    most = 10**6


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        pixels = np.frombuffer(self.rfile.read(int(self.headers["Content-Length"])), np.uint8)
        images = pixels.reshape(-1, 8, 8, 3)
        if self.server.images + len(images) > self.server.most:
            return
        self.server.images += len(images)
        self.send_response(200)
        self.end_headers()
        self.wfile.write((images.mean(axis=(1, 2)) / 255).astype(np.float32).tobytes())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def served(
    gate: Gate, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Record]:
    client = CLIENT.replace("{address}", f"http://127.0.0.1:{server.server_port}/")
    (tmp_path / "served_here.py").write_text(client, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "served_here", raising=False)
    text = "dimensions: {accuracy: {min: 0.5}, ood_robustness: {min: 0.1}}"

    def judged(**options: object) -> Record:
        server.images = 0
        return gate.judge(text, model="served_here:served", store=tmp_path / "store", **options)

    return judged


def test_nothing_is_lost_if_the_server_dies_in_the_middle(served: Callable[..., Record], server: Server):
    assert served(model_version="6").overall_verdict == "pass"
    server.most = server.images - 1
    accuracy, robustness = served(model_version="7").verdicts
    assert (accuracy.outcome, robustness.outcome) == ("pass", "unmeasurable")
    assert robustness.message.startswith(
        "ood_robustness could not be measured: served_here:served: the model fails on a batch of 6 images of "
        "3×8×8: RemoteDisconnected: Remote end closed connection"
    )
    server.most = 10**6
    assert served(model_version="7").overall_verdict == "pass"
    rest = server.images
    assert served(model_version="7").overall_verdict == "pass"
    # Only what was not answered is asked again, next to the doctor's look.
    assert rest == server.images + 6


def test_without_a_version_every_run_predicts_anew(served: Callable[..., Record], server: Server):
    (note,) = (note for note in served().notes if "endpoint" in note)
    assert "endpoint, not bytes: nothing states which model answers" in note
    images = server.images
    served()
    assert server.images == images
