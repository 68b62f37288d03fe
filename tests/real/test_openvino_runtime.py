"""Ten kinds of networks, one with real weights, answer real photos in OpenVINO as they do in torch."""

import pytest
import timm
import torch
from torch import Tensor, nn

from quba_check.core.view import CLEAN
from quba_check.engine.preparer import Preparer
from quba_check.models.classifier import Classifier
from quba_check.models.runtimes import compiled_program
from quba_check.suites.suite import Suite

NETWORKS = (
    "convnext_atto", "densenet121", "ghostnet_100", "regnety_002", "repvgg_a0",
    "mobilenetv3_small_100", "mobilevit_xxs", "resnet18", "vit_tiny_patch16_224",
)  # fmt: skip


@pytest.fixture(scope="module")
def photographs(lite0: Classifier, photos: Suite) -> Tensor:
    """Twenty photos as inputs of a network, float32 (20, 3, 224, 224)."""
    prepare = Preparer(photos, lite0).of(CLEAN, crop=True)
    return lite0.inputs(torch.stack([prepare(example) for example in photos.examples(CLEAN)]))


def check_agreement(module: nn.Module, inputs: Tensor) -> None:
    run = compiled_program("openvino", module, inputs, "net.pt")
    expected = module(inputs)
    scores = run(inputs)[0]
    assert torch.equal(scores.argmax(dim=1), expected.argmax(dim=1))
    for one in (scores, torch.cat([run(inputs[:7])[0], run(inputs[7:])[0]])):
        torch.testing.assert_close(one.softmax(dim=1), expected.softmax(dim=1), rtol=0, atol=1e-5)


def test_real_weights(lite0: Classifier, photographs: Tensor) -> None:
    check_agreement(lite0.module, photographs)


@pytest.mark.parametrize("name", NETWORKS)
def test_random_weights(name: str, photographs: Tensor) -> None:
    torch.manual_seed(0)
    module = timm.create_model(name).eval().requires_grad_(False)
    scale = 5 / module(photographs).std().item()  # answers as sure as those of a trained network
    for parameter in module.get_classifier().parameters():
        parameter *= scale
    check_agreement(module, photographs)
