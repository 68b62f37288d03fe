import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from support.reference_corruptions import scene
from support.suites import error_text

from quba_check.core.view import CORRUPTIONS, EXTRA_CORRUPTIONS, SEVERITIES
from quba_check.demo import CLASSES
from quba_check.demo.renditions import rendition
from quba_check.suites.corruptions import ENCODINGS, corrupt, reencode
from quba_check.suites.corruptions.strength import SMALL, Strength

PHOTOS = [rendition(5, k, name, name, name).image for k, name in enumerate(CLASSES)]
VARIANTS = [(name, severity) for name in CORRUPTIONS for severity in SEVERITIES]


def large(image: np.ndarray) -> np.ndarray:
    """The same scene at 224 pixels."""
    return cv2.resize(image, (224, 224), interpolation=cv2.INTER_CUBIC)


def change(image: np.ndarray, name: str, severity: int, key: int) -> float:
    shown = corrupt(image, name, severity, np.random.default_rng([key, severity]))
    return float(np.abs(shown.astype(float) - image).mean())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_higher_severity_changes_a_small_image_more(name: str) -> None:
    means = [np.mean([change(p, name, s, k) for k, p in enumerate(PHOTOS * 4)]) for s in SEVERITIES]
    assert np.all(np.diff(means) > 0), means


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 90), st.integers(1, 90), st.just(3))),
    st.sampled_from((*CORRUPTIONS, *EXTRA_CORRUPTIONS)),
    st.sampled_from(SEVERITIES),
)
def test_no_image_breaks_it(image: np.ndarray, name: str, severity: int) -> None:
    image.setflags(write=False)
    one, other = (corrupt(image, name, severity, np.random.default_rng(1)) for _ in range(2))
    assert (one.shape, one.dtype) == (image.shape, np.uint8)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("name", EXTRA_CORRUPTIONS)
@pytest.mark.parametrize("shape", [(32, 32), (96, 130)])
def test_a_higher_severity_of_the_others_changes_an_image_more(name: str, shape: tuple[int, int]) -> None:
    changes = [change(scene(shape), name, severity, 3) for severity in SEVERITIES]
    if name in ("spatter", "saturate"):  # water turns to mud; less saturation turns to more
        assert min(changes) > 0
    else:
        assert np.all(np.diff(changes) > 0), changes


@pytest.mark.parametrize(
    ("value", "side", "name"), [(90, 8, "spatter"), (90, 128, "gaussian_blur"), (0, 128, "speckle_noise")]
)
def test_flat_scenes(value: int, side: int, name: str) -> None:
    image = np.full((side, side, 3), value, np.uint8)
    shown = corrupt(image, name, 1 if name == "spatter" else 5, np.random.default_rng(0))
    assert (shown >= value).all() if name == "spatter" else (shown == value).all()


def test_memory_layout_does_not_matter() -> None:
    turned = np.asfortranarray(PHOTOS[0])
    for name in CORRUPTIONS:
        straight = corrupt(PHOTOS[0], name, 3, np.random.default_rng(1))
        assert np.array_equal(straight, corrupt(turned, name, 3, np.random.default_rng(1)))


def test_threads_do_not_disturb_each_other_nor_global_state() -> None:
    expected = {v: corrupt(PHOTOS[1], *v, np.random.default_rng(2)) for v in VARIANTS}
    legacy, threads = np.random.get_state()[1].copy(), cv2.getNumThreads()  # noqa: NPY002 - must stay untouched
    wrong: list[tuple[str, int]] = []

    def work() -> None:
        wrong.extend(
            v
            for v in VARIANTS
            if not np.array_equal(expected[v], corrupt(PHOTOS[1], *v, np.random.default_rng(2)))
        )

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert np.array_equal(legacy, np.random.get_state()[1])  # noqa: NPY002
    assert cv2.getNumThreads() == threads


def test_an_encoding_is_a_round_trip_through_a_file(tmp_path: Path) -> None:
    assert set(ENCODINGS) == {"jpeg85"}
    image = corrupt(large(PHOTOS[4]), "shot_noise", 2, np.random.default_rng(0))
    # How the stored ImageNet-C was saved.
    Image.fromarray(image).save(tmp_path / "stored.jpg", quality=85, optimize=True)
    assert np.array_equal(reencode(image, "jpeg85"), np.array(Image.open(tmp_path / "stored.jpg")))
    assert not np.array_equal(reencode(image, "jpeg85"), image)


def test_the_side_decides_between_the_two_tables() -> None:
    small = (1, 2, 3, 4, 5)
    great = (6, 7, 8, 9, 10)
    assert Strength(2, SMALL).parameters(small, great) == 2
    assert Strength(2, SMALL + 1).parameters(small, great) == 7


@pytest.mark.parametrize(
    ("image", "name", "severity", "message"),
    [
        (
            PHOTOS[0],
            "frogs",
            1,
            "corruption: unknown name, got 'frogs'. Allowed: gaussian_noise, shot_noise, impulse_noise, "
            "defocus_blur, glass_blur, motion_blur, zoom_blur, snow, frost, fog, brightness, contrast, "
            "elastic_transform, pixelate, jpeg_compression, speckle_noise, gaussian_blur, spatter, saturate, "
            "low_light. Did you mean 'frost'?",
        ),
        (PHOTOS[0], "fog", 6, "fog: unknown severity, got 6. Allowed: 1, 2, 3, 4, 5."),
        (
            PHOTOS[0][..., 0],
            "fog",
            1,
            "fog: not an RGB image, got uint8 of shape (48, 48). Allowed: uint8 of shape (H, W, 3).",
        ),
    ],
)
def test_messages_about_wrong_arguments(image: np.ndarray, name: str, severity: int, message: str) -> None:
    assert error_text(corrupt, image, name, severity, np.random.default_rng(0)) == message
