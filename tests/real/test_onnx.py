"""Real ImageNet weights, exported to ONNX, answer on real photos as they do in torch."""

import csv

import timm
import torch
from PIL import Image
from support.onnx_files import export

from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest

CLASSES = tuple(map(str, range(1000)))


def test_lite0_answers_the_same_eight_photos_at_a_time(lite0_checkpoint, photo_suite, tmp_path):
    net = timm.create_model("tf_efficientnet_lite0", checkpoint_path=str(lite0_checkpoint)).eval()
    path = export(net, tmp_path / "lite0.onnx", batch=8, side=224, fixed=True)
    classifier = load_classifier(str(path), LoadRequest(classes=CLASSES, device="cpu"))
    assert classifier.preprocessing.input_size == (3, 224, 224)
    # The exporter folded each BatchNorm into the convolution before it.
    assert 4_600_000 < classifier.facts.parameters < 4_652_008

    transform = classifier.preprocessing.transform(crop=True)
    with (photo_suite / "photos.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    photos = [transform(Image.open(photo_suite / row["path"]).convert("RGB")) for row in rows]
    inputs = torch.stack(photos).float().div(255).sub(0.5).div(0.5)

    answers = classifier.raw(inputs)
    with torch.inference_mode():
        torch.testing.assert_close(answers, net(inputs), atol=1e-3, rtol=0)
    label = torch.tensor([int(row["label"]) for row in rows])
    assert int((answers.argmax(dim=1) == label).sum()) >= 17
