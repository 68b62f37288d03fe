"""Each image under one corruption: of files, and made from clean images."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.tiny import CLASSES, MANIFEST, write_pictures

from quba_check.core.view import CORRUPTIONS, SAMPLED, SEVERITIES, View
from quba_check.errors import SuiteError
from quba_check.suites import SetCount, Suite, open_suite
from quba_check.suites.sampling import SubsetSampler

HEAD = MANIFEST.partition("  corruptions:")[0]
PER_CLASS = 2


def suite(root: Path, corruptions: str, draw: SubsetSampler) -> Suite:
    (root / "quba-data.yaml").write_text(f"{HEAD}  corruptions: {{{corruptions}, sample: one}}\n")
    return open_suite(root, draw)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sampled")
    write_pictures(root / "val", 0, 30)
    for name in CORRUPTIONS:
        for severity in SEVERITIES:
            for label in CLASSES:
                folder = root / "c" / name / str(severity) / label
                folder.mkdir(parents=True)
                for number in range(PER_CLASS):
                    (folder / f"{number}.png").touch()
    return root


def test_made_from_clean_images(data: Path) -> None:
    generated = suite(data, "generate: from clean", SubsetSampler())
    assert generated.facts.samples_corruptions
    assert generated.missing(SAMPLED) is None
    examples = generated.examples(SAMPLED)
    assert [(x.index, x.name, x.label) for x in examples] == [
        (x.index, x.name, x.label) for x in generated.examples(View("clean"))
    ]
    met = Counter(example.condition for example in examples)
    assert len(met) == 75
    assert set(met.values()) == {1, 2}
    assert generated.counts([SAMPLED]) == {"corruptions": SetCount(90, 9)}
    other = suite(data, "generate: from clean", SubsetSampler(seed=1)).examples(SAMPLED)
    assert sum(a.condition == b.condition for a, b in zip(examples, other, strict=True)) < 20


def test_a_limit_leaves_conditions_in_balance(data: Path) -> None:
    examples = suite(data, "generate: from clean", SubsetSampler(max_images=75)).examples(SAMPLED)
    assert len({example.condition for example in examples}) == 75


def test_read_from_files(data: Path) -> None:
    stored = suite(data, "reader: folder, path: c", SubsetSampler())
    assert stored.missing(SAMPLED) is None
    assert len(stored.examples(SAMPLED)) == PER_CLASS * len(CLASSES)
    for example in stored.examples(SAMPLED):
        name, severity = example.condition or ("", 0)
        view = View("corruptions", name, severity)
        (same,) = (x for x in stored.examples(view) if x.index == example.index)
        assert (same.name, same.label) == (example.name, example.label)


def test_other_images_under_a_corruption(data: Path, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    for name in CORRUPTIONS:
        (tmp_path / "c" / name).symlink_to(data / "c" / name)
    (tmp_path / "c" / "fog").unlink()
    write_pictures(tmp_path / "c" / "fog" / "1", 0)
    with pytest.raises(SuiteError) as caught:
        suite(tmp_path, "reader: folder, path: c", SubsetSampler()).examples(SAMPLED)
    assert str(caught.value) == (
        f"{tmp_path}/c/fog/1: its images are not those of {tmp_path}/c/gaussian_noise/1. With sample: one "
        "every corruption shows the same images; sample: all takes any."
    )
