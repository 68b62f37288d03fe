"""Preprocessed images are decoded once, for all passes and for the next model."""

import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.evaluations import Evaluate
from support.tiny import CLASSES, PER_CLASS, SIDE, write_manifest, write_pictures

from quba_check.core.view import CLEAN, FGSM, PGD, SAMPLED, View
from quba_check.engine.batching import BatchSettings
from quba_check.engine.preparer import Preparer, ShardImages
from quba_check.evaluation import Evaluation
from quba_check.storage.image_cache import ImageCache

N = PER_CLASS * len(CLASSES)
FOG = View("corruptions", "fog", 3)
SNOW = View("corruptions", "snow", 1)
ALL = [CLEAN, FGSM, PGD, FOG, SNOW]
FILE_BYTES = 128 + N * SIDE * SIDE * 3 + N * 4


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with room, whatever the real one has: a full one keeps no images."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**12, 0, 10**12))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the examples that were decoded, in order."""
    found: list[str] = []
    prepared = Preparer._prepared

    def counted(self: Preparer, example, crop: bool) -> torch.Tensor:
        found.append(example.full_name)
        return prepared(self, example, crop)

    monkeypatch.setattr(Preparer, "_prepared", counted)
    return found


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "data" / "val", 0, PER_CLASS)
    return write_manifest(
        tmp_path / "data", "clean: {reader: folder, path: val}\ncorruptions: {generate: from clean}"
    )


@pytest.fixture
def evaluate(evaluate: Evaluate) -> Evaluate:
    def made(model: str = "net", gb: float = 1, **options: object) -> Evaluation:
        return evaluate(model, batch_settings=BatchSettings(4, threads=2, cache_gb=gb), **options)

    return made


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return ImageCache(tmp_path / "store" / "images", 10**9)


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "store" / "images").glob("*.npy"))


def opened(evaluation: Evaluation, cache: ImageCache, view: View = CLEAN, preprocessing=None, crop=True):
    classifier = evaluation.classifier
    if preprocessing:
        classifier = replace(classifier, preprocessing=replace(classifier.preprocessing, **preprocessing))
    preparer = Preparer(evaluation.suite, classifier, cache)
    files = evaluation.engine.cache_keys.files_key(view, 0)
    return preparer, preparer.shard(view, files, evaluation.suite.examples(view), crop=crop)


def image(images: ShardImages, position: int) -> torch.Tensor:
    return images.images(slice(position, position + 1))[0]


def test_attacks_corruptions_and_the_next_model_decode_nothing(evaluate, decoded, tmp_path) -> None:
    evaluate().engine.predictions(ALL)
    assert len(decoded) == len(set(decoded)) == N
    assert [path.stat().st_size for path in kept(tmp_path)] == [FILE_BYTES]
    evaluate("other").engine.predictions(ALL)
    assert len(decoded) == N


@pytest.mark.usefixtures("without_stored_check")
@pytest.mark.parametrize("is_damaged", [False, True])
def test_without_kept_images_all_corruptions_decode_each_image_once(
    evaluate, decoded, tmp_path, is_damaged: bool
) -> None:
    if is_damaged:
        evaluate().engine.predictions([CLEAN])
        kept(tmp_path)[0].write_bytes(bytes(FILE_BYTES))
        decoded.clear()
    views = [View("corruptions", name, severity) for name in ("fog", "snow", "frost") for severity in (1, 5)]
    evaluate(gb=float(is_damaged)).engine.predictions(views)
    assert len(decoded) == N
    assert (tmp_path / "store" / "images").exists() is is_damaged


def test_the_limit_holds(evaluate, decoded, tmp_path: Path) -> None:
    evaluate(gb=FILE_BYTES * 0.9 / 1e9).engine.predictions([CLEAN])
    evaluate("other", gb=FILE_BYTES * 1.1 / 1e9).engine.predictions([CLEAN])
    assert len(decoded) == 2 * N
    assert len(kept(tmp_path)) == 1


def test_sampled_corruptions_use_the_clean_images(evaluate, decoded, suite: Path) -> None:
    sets = "clean: {reader: folder, path: val}\ncorruptions: {generate: from clean, sample: one}"
    write_manifest(suite, sets)
    evaluate().engine.predictions([CLEAN, SAMPLED])
    assert len(decoded) == N


def test_a_damaged_file_changes_nothing_and_is_made_again(evaluate, decoded, tmp_path: Path) -> None:
    before = evaluate().engine.predictions([CLEAN])[CLEAN]
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + b"\0" * 300 + whole[500:])
    evaluation = evaluate("other")
    evaluation.engine.predictions([CLEAN])
    assert len(decoded) == 2 * N
    assert evaluation.engine.pop_notes() == []
    evaluation.engine.predictions([PGD])
    assert path.read_bytes() == whole
    shutil.rmtree(tmp_path / "store" / "predictions")
    found = evaluate().engine.predictions([CLEAN])[CLEAN]
    np.testing.assert_array_equal(found.confidence, before.confidence)


def test_a_folder_that_cannot_be_written_fails_nothing(evaluate, tmp_path: Path) -> None:
    expected = evaluate(store=tmp_path / "other").engine.predictions(ALL)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "images").write_text("a file")
    evaluation = evaluate()
    found = evaluation.engine.predictions(ALL)
    assert all(np.array_equal(found[view].confidence, expected[view].confidence) for view in ALL)
    assert evaluation.engine.pop_notes() == [
        f"{tmp_path}/store/images: prepared images are not kept here (File exists)."
    ]


@pytest.mark.parametrize(
    ("change", "crop", "is_shared"),
    [
        ({"mean": (0.1, 0.2, 0.3)}, True, True),
        ({"std": (0.1, 0.2, 0.3)}, True, True),
        ({"temperature": 2.5}, True, True),
        ({"source": "elsewhere"}, True, True),
        ({"input_size": (3, SIDE, SIDE + 1)}, True, False),
        ({"interpolation": "bicubic"}, True, False),
        ({"crop_pct": 0.5}, True, False),
        ({"crop_mode": "squash"}, True, False),
        ({}, False, False),
    ],
)
def test_models_share_images_unless_their_pixels_differ(
    evaluate, cache, tmp_path: Path, change: dict, crop: bool, is_shared: bool
) -> None:
    evaluation = evaluate()
    for settings in ({}, change):
        _, images = opened(evaluation, cache, CLEAN, settings, crop if settings is change else True)
        for position in range(N):
            image(images, position)
        images.close()
    assert len(kept(tmp_path)) == (1 if is_shared else 2)


def test_models_with_a_border_in_the_colour_of_their_mean_share_none(evaluate, cache, tmp_path: Path) -> None:
    evaluation = evaluate()
    border = {"crop_mode": "border", "input_size": (3, 2 * SIDE, 2 * SIDE), "crop_pct": 2.0}
    corners = []
    for mean in (0.2, 0.4):
        _, images = opened(evaluation, cache, CLEAN, border | {"mean": (mean, mean, mean)})
        corners.append([image(images, position)[:, 0, 0].tolist() for position in range(N)])
        images.close()
    assert corners == [[[51] * 3] * N, [[102] * 3] * N]
    assert len(kept(tmp_path)) == 2


def test_the_key_names_exactly_these_images(evaluate, tmp_path: Path) -> None:
    evaluations = [evaluate(), evaluate(limit=5), evaluate(limit=6)]
    keys = [one.engine.cache_keys.files_key(CLEAN, 0) for one in evaluations]
    assert len(set(keys)) == 3
    assert evaluations[0].engine.cache_keys.files_key(FOG, 0) == keys[0]


def test_a_shard_that_is_given_up_keeps_no_file(evaluate, cache, decoded, tmp_path: Path) -> None:
    evaluation = evaluate()
    preparer, images = opened(evaluation, cache)
    first = image(images, 0)
    images.close()
    images.close()
    assert kept(tmp_path) == []
    files = evaluation.engine.cache_keys.files_key(CLEAN, 0)
    again = preparer.shard(CLEAN, files, evaluation.suite.examples(CLEAN), crop=True)
    assert torch.equal(image(again, 0), first)
    assert len(decoded) == 1  # the next attempt continues
    for position in range(1, N):
        image(again, position)
    again.close()
    assert len(kept(tmp_path)) == 1


def test_views_that_are_open_at_the_same_time_share_originals(
    evaluate, cache, decoded, tmp_path: Path
) -> None:
    evaluation = evaluate()
    preparer, fog = opened(evaluation, cache, FOG)
    files = evaluation.engine.cache_keys.files_key(SNOW, 0)
    snow = preparer.shard(SNOW, files, evaluation.suite.examples(SNOW), crop=True)
    for position in reversed(range(N)):
        assert not torch.equal(image(fog, position), image(snow, position))
    fog.close()
    assert kept(tmp_path) == []
    snow.close()
    assert len(kept(tmp_path)) == 1
    assert len(decoded) == N


@pytest.mark.parametrize(("side", "n_kept"), [(SIDE, 0), (SIDE + 3, 1)])
def test_arrays_are_kept_only_if_they_are_resized(
    evaluate, cache: ImageCache, tmp_path: Path, side: int, n_kept: int
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (N, side, side, 3), np.uint8)
    np.savez(tmp_path / "x.npz", images=pixels, labels=np.arange(N) % len(CLASSES))
    arrays = write_manifest(tmp_path, "clean: {reader: arrays, path: x.npz, prepared: true}")
    evaluation = evaluate(data=arrays)
    preparer, images = opened(evaluation, cache, crop=False)
    expected = [preparer.of(CLEAN, crop=False)(example) for example in evaluation.suite.examples(CLEAN)]
    assert torch.equal(images.images(slice(0, N)), torch.stack(expected))
    images.close()
    assert len(kept(tmp_path)) == n_kept


def test_images_are_the_same_read_first_or_kept(evaluate, cache: ImageCache) -> None:
    evaluation = evaluate()
    for view in (CLEAN, FOG):
        preparer, images = opened(evaluation, cache, view)
        expected = [preparer.of(view, crop=True)(example) for example in evaluation.suite.examples(view)]
        for _ in range(2):
            found = [image(images, position) for position in range(N)]
            images.close()
            assert all(map(torch.equal, found, expected))
            assert {one.stride() for one in found} == {(1, 3 * SIDE, 3)}
            assert torch.equal(images.images(slice(1, N)), torch.stack(expected[1:]))
            _, images = opened(evaluation, cache, view)
