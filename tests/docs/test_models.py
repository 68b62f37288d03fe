"""The models of docs/models.md, loaded as written."""

from __future__ import annotations

import sys
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
    for name in ("my_network", "my_models", "other_runtime"):
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


def test_a_module_around_another_runtime(net: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    class Session:
        """Stands for a runtime: the product of each image's mean colour with the file's weights."""

        def __init__(self, content: bytes) -> None:
            self.weights = np.frombuffer(content, np.float32).reshape(3, 2)

        def run(self, _: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [inputs["images"].mean(axis=(2, 3)) @ self.weights]

    monkeypatch.setattr("onnxruntime.InferenceSession", Session)
    images, weights = torch.rand(2, 3, 32, 32), torch.rand(3, 2)
    fingerprints = set()
    for scale in (1, 2):
        Path("net.onnx").write_bytes((scale * weights).numpy().tobytes())
        assert torch.allclose(
            answers("other_runtime:deployed", images), scale * images.mean(dim=(2, 3)) @ weights
        )
        request = LoadRequest(classes=("ant", "bee"), device="cpu")
        fingerprints.add(load_classifier("other_runtime:deployed", request).fingerprint)
    assert len(fingerprints) == 2
