"""Material that rows share, made on first use in one temporary folder."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path

import torch

from benchmarks import material
from quba_check.engine.batching import BatchSettings
from quba_check.evaluation import Evaluation
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.predictor import RunSettings
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Suite

MOBILENET = "mobilenetv3_small_100"
RESNET = "resnet18"
VIT = "vit_tiny_patch16_224"
LITE0 = "tf_efficientnet_lite0"
PHOTOS = 384
"""Photos of the rows on reading."""


@dataclass
class Work:
    """Folder, models and data of one run of the benchmarks.

    Attributes:
        folder: a temporary folder.
        released: a checkout of the released code, if given.
    """

    folder: Path
    released: Path | None = None
    _folders: int = field(default=0, init=False)

    def new_folder(self) -> Path:
        """Return a new empty folder."""
        self._folders += 1
        path = self.folder / f"empty{self._folders}"
        path.mkdir()
        return path

    @cached_property
    def data(self) -> Path:
        """The data folder of the whole protocol."""
        return material.write_data(self.folder / "data")

    @cached_property
    def model(self) -> Path:
        """A checkpoint of mobilenet, right on most clean images of `data`."""
        return material.write_fitted_model(MOBILENET, self.data, self.folder / f"{MOBILENET}.pt")

    @cached_property
    def photos(self) -> Suite:
        """The suite of photos of the rows on reading."""
        return self.labelled(PHOTOS)

    def labelled(self, count: int) -> Suite:
        """Return a suite of photos of 500 × 375 as JPEG files, in a folder of each photo's class."""
        root = self.folder / f"labelled{count}"
        if not root.exists():
            material.write_labelled_photos(root, count)
        return open_suite(root)

    def checkpoint(self, architecture: str) -> Path:
        """Return a checkpoint of random weights; of efficientnet-lite0, those of ImageNet."""
        path = self.folder / "weights" / f"{architecture}.pt"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            if architecture == LITE0:
                weights = material.published_lite0(architecture)
            else:
                weights = material.random_model(architecture).state_dict()
            torch.save(weights, path)
        return path

    def classifier(
        self, architecture: str, suite: Suite, *, exact: bool = True, runtime: str = "torch"
    ) -> Classifier:
        """Load a model of random weights for a suite; `exact` takes fp32 and exact preprocessing."""
        settings = replace(request(suite, architecture, exact=exact), runtime=runtime)
        return load_classifier(str(self.checkpoint(architecture)), settings)

    def evaluation(self, classifier: Classifier, suite: Suite, threads: int | None = None) -> Evaluation:
        """Return an evaluation with an empty store."""
        run = RunSettings(BatchSettings(threads=threads))
        return Evaluation(classifier, suite, store=self.new_folder(), run=run)


def request(suite: Suite, architecture: str | None, *, exact: bool) -> LoadRequest:
    """Return the settings for loading a model of a suite, as far as this version has them."""
    wanted = {"precision": "fp32", "runtime": "torch", "exact_preprocessing": True} if exact else {}
    known = {setting.name for setting in fields(LoadRequest)}
    return LoadRequest(
        classes=suite.classes,
        head=suite.head,
        image_size=suite.image_size,
        prompts=suite.prompts,
        arch=architecture,
        **{name: value for name, value in wanted.items() if name in known},
    )
