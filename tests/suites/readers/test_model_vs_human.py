"""The reader `model-vs-human`: what it finds in a right layout, and the exact text for every wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.reading import listing, message, short, tree

from quba_check.suites.readers.model_vs_human import model_vs_human_images


def test_model_vs_human_names(tmp_path: Path) -> None:
    tree(
        tmp_path,
        "0002_ske_dnn_0_pear_00_pear-0001-sketch-0.png",
        "0001_ske_dnn_0_kiwi_00_a_b.png",
        "results.csv",
    )
    assert short(tmp_path, listing(model_vs_human_images, tmp_path)) == [
        ("0001_ske_dnn_0_kiwi_00_a_b.png", 2, -1),
        ("0002_ske_dnn_0_pear_00_pear-0001-sketch-0.png", 1, -1),
    ]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            ["pear_1.png"],
            "SET/pear_1.png: the name does not state a class. Expected: *_*_*_*_<category>_*.png.",
        ),
        (
            ["1_ske_dnn_0_peer_0.png"],
            "SET/1_ske_dnn_0_peer_0.png: unknown class 'peer'. Did you mean 'pear'? "
            "Allowed: apple, pear, kiwi.",
        ),
        ([], "SET: no images. Expected: files named *_*_*_*_<category>_*.png."),
    ],
)
def test_wrong_model_vs_human_names(tmp_path: Path, names: list[str], text: str) -> None:
    assert message(model_vs_human_images, tree(tmp_path, *names)) == text
