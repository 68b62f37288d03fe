import re
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.suites import error_text

from quba_check.core.view import CORRUPTIONS, View
from quba_check.demo import CLASSES
from quba_check.demo import suite as drawing
from quba_check.demo.renditions import rendition
from quba_check.demo.suite import SHIFTS, demo_root, pictures
from quba_check.suites import open_suite


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_root(tmp_path_factory.mktemp("store"))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw ten images only."""
    examples = list(pictures())[:10]
    monkeypatch.setattr(drawing, "pictures", lambda: iter(examples))


def test_it_is_a_suite_with_every_set(root: Path) -> None:
    suite = open_suite(root)
    assert suite.name == "demo"
    assert suite.classes == CLASSES
    assert suite.image_size == 48
    assert suite.facts.shifts == SHIFTS
    assert suite.facts.corruptions == CORRUPTIONS
    assert suite.facts.generates_corruptions
    counts = suite.counts()
    assert {name: count.images for name, count in counts.items()} == {
        "clean": 400,
        "corruptions": 400 * 75,
        **dict.fromkeys(SHIFTS, 150),
        "mixed_same": 300,
        "mixed_rand": 300,
        "cue_conflict": 270,
    }
    assert all(count.images == count.expected for count in counts.values())
    for name in ("clean", *SHIFTS, "mixed_same", "mixed_rand", "cue_conflict"):
        labels = Counter(example.label for example in suite.examples(View(name)))
        assert set(labels) == set(range(len(CLASSES)))
        assert len(set(labels.values())) == 1


def test_files_are_the_images_of_their_factors(root: Path) -> None:
    listed = list(pictures())
    files = {path.relative_to(root).as_posix() for path in root.rglob("*.png")}
    assert files == {picture.path for picture in listed}
    for p in listed[::97]:
        image = rendition(p.seed, p.index, p.shape, p.texture, p.background, p.style).image
        assert np.array_equal(np.asarray(Image.open(root / p.path)), image)


def test_no_two_images_share_seed_and_index_but_the_mixed_pairs() -> None:
    seen = Counter((p.seed, p.index, p.shape) for p in pictures() if not p.path.startswith("mixed_rand"))
    assert set(seen.values()) == {1}


def test_the_natural_world_has_a_few_exceptions() -> None:
    clean = [p for p in pictures() if p.path.startswith("clean/")]
    assert sum(p.texture != p.shape for p in clean) == 20
    assert sum(p.background != p.shape for p in clean) == 20


def test_mixed_sets_show_the_same_objects_on_other_backgrounds(root: Path) -> None:
    by_path = {p.path: p for p in pictures() if p.path.startswith("mixed")}
    pairs = [(p, by_path[p.path.replace("same", "rand")]) for p in by_path.values() if "same" in p.path]
    assert len(pairs) == 300
    for same, rand in pairs:
        assert same.texture == rand.texture == same.shape == same.background
        assert rand.background != same.shape
        assert (same.seed, same.index) == (rand.seed, rand.index)
    mask = rendition(same.seed, same.index, same.shape, same.texture, same.background).mask
    one, other = (np.asarray(Image.open(root / p.path)) for p in (same, rand))
    assert np.array_equal(one[mask == 1], other[mask == 1])
    assert not np.array_equal(one[mask == 0], other[mask == 0])


def test_cue_conflicts_pair_every_shape_with_every_other_texture(root: Path) -> None:
    pairs = Counter()
    for path in (root / "cue_conflict").iterdir():
        shape, texture = re.fullmatch(r"([a-z]+)\d+-([a-z]+)\d+\.png", path.name).groups()
        pairs[shape, texture] += 1
    assert set(pairs) == {(a, b) for a in CLASSES for b in CLASSES if a != b}
    assert set(pairs.values()) == {3}
    assert all(p.background is None for p in pictures() if p.path.startswith("cue_conflict"))


def test_a_second_call_draws_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_draw", None)
    assert demo_root(root.parent.parent) == root


@pytest.mark.usefixtures("few")
def test_threads_that_ask_at_once_draw_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    draw = drawing._draw
    monkeypatch.setattr(drawing, "_draw", lambda *where: (calls.append(where), draw(*where)))
    threads = [threading.Thread(target=demo_root, args=(tmp_path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert sorted(path.name for path in (tmp_path / "demo").iterdir() if path.is_dir()) == [
        drawing._version()
    ]


@pytest.mark.usefixtures("few")
def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Image.Image, "save", full)
        text = error_text(demo_root, tmp_path)
    assert text == (
        f"{tmp_path / 'demo'}: the demonstration images cannot be written (No space left on device). "
        "Allowed: a store folder that can be written (--quba-store)."
    )
    assert [path for path in (tmp_path / "demo").iterdir() if path.is_dir()] == []
    assert demo_root(tmp_path).is_dir()
