"""The models of docs/models.md, loaded as written."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from support.guides import BLOCK, DOCS
from torch import nn

from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest

NETWORK = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """The network of the page, whose files are in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("my_network.py").write_text(NETWORK, encoding="utf-8")
    for block in BLOCK.finditer((DOCS / "models.md").read_text(encoding="utf-8")):
        role, _, name = (block["role"] or "").partition(": ")
        if role == "file":
            Path(name).write_text(block["text"], encoding="utf-8")
    for name in ("my_network", "my_models", "other_runtime", "served_model"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from my_network import Net

    torch.manual_seed(0)
    return Net().eval()


def answers(spec: str, images: torch.Tensor) -> torch.Tensor:
    classifier = load_classifier(spec, LoadRequest(classes=("ant", "bee"), device="cpu"))
    assert classifier.preprocessing.input_size == (3, 32, 32)
    with torch.no_grad():
        return classifier.raw(images)


def test_a_checkpoint_with_a_prefix(net: nn.Module) -> None:
    weights = {f"module.{name}": tensor for name, tensor in net.state_dict().items()}
    torch.save({"state_dict": weights, "epoch": 3}, "last.th")
    images = torch.rand(2, 3, 32, 32)
    assert torch.allclose(answers("my_models:trained", images), net(images))


def test_a_function_of_another_runtime(net: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        """Stands for a runtime: the product of each image's mean colour with the file's weights."""

        def __init__(self, path: str) -> None:
            self.weights = np.fromfile(path, np.float32).reshape(3, 2)

        def run(self, _: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [inputs["images"].mean(axis=(1, 2)) @ self.weights]

    monkeypatch.setattr("onnxruntime.InferenceSession", Session)
    weights = torch.rand(3, 2)
    levels = torch.randint(0, 256, (2, 3, 32, 32)).float()
    fingerprints = set()
    for scale in (1, 2):
        Path("net.onnx").write_bytes((scale * weights).numpy().tobytes())
        monkeypatch.delitem(sys.modules, "other_runtime", raising=False)
        expected = scale * levels.mean(dim=(2, 3)) @ weights
        assert torch.allclose(answers("other_runtime:deployed", levels / 255), expected)
        request = LoadRequest(classes=("ant", "bee"), device="cpu")
        fingerprints.add(load_classifier("other_runtime:deployed", request).fingerprint)
    assert len(fingerprints) == 2


class Server(BaseHTTPRequestHandler):
    """The Open Inference Protocol: the mean of each image's first two channels."""

    def do_POST(self) -> None:
        assert self.path == "/v2/models/net/infer"
        (tensor,) = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["inputs"]
        assert tensor["datatype"] == "UINT8"
        scores = np.array(tensor["data"]).reshape(tensor["shape"]).mean(axis=(1, 2))[:, :2]
        output = {
            "name": "scores",
            "shape": scores.shape,
            "datatype": "FP32",
            "data": scores.ravel().tolist(),
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"outputs": [output]}).encode())

    def log_message(self, *_: object) -> None:
        pass


def test_a_server(net: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = torch.randint(0, 256, (2, 3, 32, 32)).float()
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("SERVER", f"http://127.0.0.1:{server.server_port}")
        scores = answers("served_model:served", levels / 255)
        server.shutdown()
        thread.join()
    assert torch.allclose(scores, levels.mean(dim=(2, 3))[:, :2])
