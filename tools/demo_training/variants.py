"""The demo population: measurements of the variants."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.demo.network import DemoNetwork, network_of
from quba_check.evaluation import Evaluation
from quba_check.grading.population_file import FileRow, PopulationFile
from quba_check.models.classifier import Classifier
from quba_check.models.identity.state import named_tensors, state_digest
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import find_suite
from tools.demo_training.recipes import VARIANTS


def variant_population(weights: Path) -> PopulationFile:
    """Measure all variants on the demonstration suite under the standard protocol.

    Args:
        weights: folder with `NAME.safetensors` of each variant.

    Returns:
        A population with one row for each variant and all nine dimensions.
    """
    with tempfile.TemporaryDirectory() as store:
        suite = find_suite("demo", Path(store))
        shipped = load_classifier("demo", LoadRequest(classes=suite.classes, image_size=suite.image_size))
        rows = []
        for recipe in VARIANTS:
            network = network_of(load_file(weights / f"{recipe.name}.safetensors"))
            evaluation = Evaluation(_classifier(recipe.name, network, shipped), suite, store=store)
            evaluation.plan(PUBLISHED_DIMENSIONS)
            values = {name: evaluation.measure(name).value for name in PUBLISHED_DIMENSIONS}
            rows.append(FileRow(id=recipe.name, values=values))
    return PopulationFile(
        schema=1,
        name="demo",
        protocol="standard",
        suite=suite.name,
        source=f"{len(rows)} variants of the demo models (tools/demo_training)",
        rows=tuple(rows),
    )


def _classifier(name: str, network: DemoNetwork, shipped: Classifier) -> Classifier:
    """Return a variant as a classifier with the preprocessing of the shipped model."""
    count = sum(parameter.numel() for parameter in network.parameters())
    network.requires_grad_(False)
    checksum = state_digest(named_tensors(network))
    return replace(
        shipped,
        spec=name,
        name=name,
        module=network.to(shipped.device),
        fingerprint=checksum,
        checksum=checksum,
        facts=replace(shipped.facts, parameters=count, trainable=count),
    )
