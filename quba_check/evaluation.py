"""The Python API: measures a model on a suite, without pytest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from quba_check.core.protocols import Protocol, ProtocolName
from quba_check.demo import DEMO_MODELS
from quba_check.dimensions import registry
from quba_check.errors import HeadError, OptionError
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.predictor import Predictor
from quba_check.predictor import RunSettings as RunSettings
from quba_check.storage.locations import default_location
from quba_check.storage.opening import open_store
from quba_check.storage.store import Store
from quba_check.storage.user_files import user_location
from quba_check.suites.contents import Contents
from quba_check.suites.opening import DEMO_SUITE, find_suite
from quba_check.suites.sampling import WHOLE, SubsetSampler
from quba_check.suites.suite import Suite


class Evaluation(Predictor):
    """A model on a suite under one protocol.

    Predictions are stored and reused.

    Args:
        model: a model spec (`demo`, a model file, `timm:NAME`, `open_clip:NAME/TAG`,
            `package.module:callable`, …) or a loaded classifier.
        suite: a data folder, `"demo"`, or an open suite; None means the demo's images for a demo model, else
            `$QUBA_DATA`.
        request: how a model is loaded from its spec; the suite fills in the classes and their outputs.
        protocol: `standard`, or `released` (that of the paper's released code).
        sampler: selects the images of each set; has no effect on an open suite. Its seed is also that of
            random starts and generated corruptions.
        store: folder, URL or open store of predictions; None: `$QUBA_STORE`, else the user's cache.
        run: how predictions are made and reported.

    Attributes:
        reference: the model that `parity` compares with; None without one. Set it before `plan`.
        preprocessing: the model's preprocessing as plain values, for records.

    Raises:
        UserError: model, suite or store cannot be used; the message states where, and what to do.

    Examples:
        >>> Evaluation("demo").measure("accuracy")  # doctest: +SKIP
        Measurement(accuracy 0.975 fraction, n=400, 0.954..0.988)
    """

    def __init__(
        self,
        model: str | Classifier,
        suite: str | Path | Suite | None = None,
        *,
        request: LoadRequest | None = None,
        protocol: ProtocolName = "standard",
        sampler: SubsetSampler = WHOLE,
        store: str | Path | Store | None = None,
        run: RunSettings | None = None,
    ) -> None:
        if not isinstance(model, str | Classifier):
            raise OptionError(
                where="model",
                got=f"a value of type {type(model).__name__}",
                allowed="a model spec, such as 'model.pt' or 'package.module:callable', or a loaded "
                "Classifier",
            )
        registry.load_entry_points()
        if not isinstance(store, Store):
            store = open_store(default_location() if store is None else user_location(store, "store"))
        spec = model.spec if isinstance(model, Classifier) else model
        if suite is None and spec in DEMO_MODELS:
            suite = DEMO_SUITE
        if not isinstance(suite, Suite):
            suite = find_suite(suite, store.root, sampler)
        if not isinstance(model, Classifier):
            request = replace(
                request or LoadRequest(),
                classes=suite.classes,
                positions_of=suite.manifest.classes.positions_of,
                head=suite.head,
                image_size=suite.image_size,
                prompts=suite.prompts,
                cache=store.root,
            )
            model = load_classifier(model, request)
        classes = model.head.classes
        if classes != len(suite.classes):
            raise HeadError(
                f"the classifier was loaded for {classes} classes, the suite has "
                f"{len(suite.classes)}. Load it with the suite's classes and head.",
                where=model.spec,
                theirs=classes,
                classes=len(suite.classes),
            )
        contents = Contents(suite, store.root)
        super().__init__(model, contents, store, Protocol.named(protocol), run or RunSettings())
