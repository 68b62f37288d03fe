"""The first number of all: a real classifier on real photos."""

from __future__ import annotations

import csv

import torch
from PIL import Image

from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest


def test_efficientnet_lite0_gets_18_of_20_photos(lite0_checkpoint, photo_suite):
    classifier = load_classifier(
        str(lite0_checkpoint),
        LoadRequest(classes=tuple(map(str, range(1000))), arch="tf_efficientnet_lite0", device="cpu"),
    )
    transform = classifier.preprocessing.transform(crop=True)
    with (photo_suite / "photos.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    images = torch.stack([transform(Image.open(photo_suite / row["path"]).convert("RGB")) for row in rows])
    label = torch.tensor([int(row["label"]) for row in rows])

    with torch.inference_mode():
        raw = classifier.raw(classifier.normalise(images.float().div(255)))

    assert len(rows) == 20
    assert int((raw.argmax(dim=1) == label).sum()) == 18
    assert classifier.name == "lite0"
    assert classifier.parameters == 4_652_008
    assert classifier.preprocessing.source == "timm's tf_efficientnet_lite0"
    assert classifier.preprocessing.mean == classifier.preprocessing.std == (0.5, 0.5, 0.5)
    assert classifier.notes == ()
