"""Values under fp32 and exact preprocessing are those of version 0.2.0, bit for bit, but for motion blur.

`written_by_0_2/golden.npz` holds stored columns of a small network on JPEG and PNG files and of the demo
models on their suite, under both protocols; `golden.json` holds the nine values, the cache keys, the
libraries that they were computed with, and a hash of plain passes of each model. The hash distinguishes
processors: torch chooses other kernels by the size of a cache, which changes the last bits.
"""

import importlib.util
import json
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from support.demo_runs import link_demo_images

from quba_check.core.view import PGD
from quba_check.engine import cache_keys
from quba_check.engine.cache_keys import LIBRARIES
from quba_check.evaluation import Evaluation
from quba_check.models.loaded_module import LoadedModule, fingerprint
from quba_check.suites import corruptions
from quba_check.suites.suite import Suite

OLD = Path(__file__).parent / "written_by_0_2"
FACTS = json.loads((OLD / "golden.json").read_text(encoding="utf-8"))
TOLERANCE = 1e-5
"""Largest difference of floats under other libraries or on another processor."""
ATTACKED_TOLERANCE = 1e-2
"""The same for attacked images: a step follows the sign of the gradient, which last bits can turn near 0."""
HAS_SAME_LIBRARIES = all(version(name) == known for name, known in FACTS["libraries"].items())
DRAWS_SAME_FILES = version("pillow") == FACTS["libraries"]["pillow"]
"""True if the files of the demo, which are drawn and encoded on first use, have the same bytes."""
CELLS = "cells:network"


@pytest.fixture(scope="module")
def golden() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_of_0_2", OLD / "golden.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with np.load(OLD / "golden.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def store(demo_suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return link_demo_images(tmp_path_factory.mktemp("store"), demo_suite)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch):
    """Import the network, compute in one thread, and name libraries and format of the golden file.

    The fingerprint of a network is that of its source file, as it was in 0.2.
    """

    def former_fingerprint(loaded: LoadedModule, *arguments: Any) -> str:
        own = replace(loaded, sources=(OLD / "cells.py",), code="") if loaded.code else loaded
        return fingerprint(own, *arguments)

    monkeypatch.setattr("quba_check.models.loading.fingerprint", former_fingerprint)
    known = {name: FACTS["libraries"][name] for name in LIBRARIES}
    monkeypatch.setattr(cache_keys, "library_versions", lambda: known)
    monkeypatch.setattr(
        cache_keys, "FORMAT", 1
    )  # later formats differ in what a shard states, not in its key
    monkeypatch.setattr(corruptions, "VERSION", 3)  # version 4 has other pixels of motion blur alone
    monkeypatch.syspath_prepend(OLD)
    threads = torch.get_num_threads()
    torch.set_num_threads(FACTS["threads"])
    yield
    torch.set_num_threads(threads)
    sys.modules.pop("cells", None)


def columns_of(arrays: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    prefix = f"{name}|"
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def has_same_arithmetic(golden: ModuleType, measured: Evaluation, model: str) -> bool:
    """True if plain passes of a model have the bits of the golden file here."""
    return HAS_SAME_LIBRARIES and golden.arithmetic(measured) == FACTS["arithmetic"][model]


def assert_equal(
    got: dict[str, np.ndarray], expected: dict[str, np.ndarray], name: str, *, is_exact: bool
) -> None:
    assert set(got) == set(expected), name
    tolerance = ATTACKED_TOLERANCE if "+" in name else TOLERANCE  # as "clean+pgd"
    for column, array in expected.items():
        where = f"{name}, {column}"
        assert got[column].dtype == array.dtype, where
        if is_exact or array.dtype.kind != "f":
            np.testing.assert_array_equal(got[column], array, err_msg=where)
        else:
            np.testing.assert_allclose(got[column], array, rtol=0, atol=tolerance, err_msg=where)


def rows(columns: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, np.ndarray]:
    return {name: column[chosen] for name, column in columns.items()}


@pytest.mark.parametrize("protocol", ["standard", "released"])
@pytest.mark.parametrize("model", [CELLS, "demo", "demo-textured"])
def test_columns_values_and_keys(
    model: str, protocol: str, golden: ModuleType, arrays: dict[str, np.ndarray], store: Path
) -> None:
    measured = golden.evaluation(model, golden.MODELS[model], protocol, store)
    is_exact = has_same_arithmetic(golden, measured, model)
    for view in golden.views(model):
        name = f"{model}|{protocol}|{view}"
        keys = golden.keys(measured, view)
        expected_keys = FACTS["keys"][name]
        got = golden.columns(measured, view)
        expected = columns_of(arrays, name)
        stops_when_fooled = view == PGD and protocol == "standard"
        # An image leaves this attack at the iterate that fooled it: other columns, and so another key. The
        # source of the demo's network is part of its keys, and has other imports than in 0.2.
        if model == CELLS:
            assert (keys[0] == expected_keys[0]) is not stops_when_fooled, name
        if model == CELLS or DRAWS_SAME_FILES:
            assert keys[1:] == expected_keys[1:], name
        if view.corruption == "motion_blur":
            continue
        if stops_when_fooled:
            robust = expected["always_right"]
            for columns in (got, expected):
                correct = columns["top1"] == columns["label"]
                np.testing.assert_array_equal(correct, robust, err_msg=name)
                np.testing.assert_array_equal(columns["always_right"], robust, err_msg=name)
            got = rows(got, robust)
            expected = rows(expected, robust)
            assert len(got["index"]), name
        assert_equal(got, expected, name, is_exact=is_exact)
    tolerance = 0.0 if is_exact else TOLERANCE
    assert golden.values(measured) == pytest.approx(
        FACTS["values"][f"{model}|{protocol}"], rel=0, abs=tolerance
    )


def test_corruptions_read_from_files(golden: ModuleType, arrays: dict[str, np.ndarray], store: Path) -> None:
    measured = golden.evaluation(CELLS, OLD / "read", "standard", store)
    is_exact = has_same_arithmetic(golden, measured, CELLS)
    for view in golden.READ:
        name = f"{CELLS}|read|{view}"
        assert golden.keys(measured, view) == FACTS["keys"][name]
        assert_equal(golden.columns(measured, view), columns_of(arrays, name), name, is_exact=is_exact)
