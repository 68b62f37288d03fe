"""The whole gate on a model behind a server, which dies in the middle."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

THRESHOLDS = """
schema: 1
name: served
dimensions:
  accuracy: {min: 0.5}
  ood_robustness: {min: 0.1}
"""
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
def served(judge_cold, server):
    judge_cold.write("thresholds/x.yaml", THRESHOLDS)
    client = CLIENT.replace("{address}", f"http://127.0.0.1:{server.server_port}/")
    judge_cold.write("served_here.py", client)

    def run(*arguments: str) -> object:
        server.images = 0
        return judge_cold("thresholds/x.yaml", *arguments, model="served_here:served")

    return run


def test_nothing_is_lost_if_the_server_dies_in_the_middle(served, server):
    assert served("--quba-model-version=6").ret == 0
    whole = server.images

    version = "--quba-model-version=7"
    server.most = whole - 1
    result = served(version)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "  ood_robustness could not be measured: served_here:served: the model fails on a*",
            "    batch of 6 images of 3×8×8: RemoteDisconnected: Remote end closed connection*",
            "1 of 2 demands passed, 1 failed",
        ]
    )
    assert "Traceback" not in result.stdout.str()

    server.most = 10**6
    assert served(version).ret == 0
    rest = server.images
    assert served(version).ret == 0
    # Only what was not answered is asked again, next to the doctor's look.
    assert rest == server.images + 6


def test_without_a_version_every_run_predicts_anew(served, server):
    result = served()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*endpoint, not bytes: nothing states which model answers*"])
    images = server.images
    assert served().ret == 0
    assert server.images == images
