import threading
import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quba_check.demo import CLASSES
from quba_check.demo.renditions import rendition
from quba_check.errors import UserError
from quba_check.protocol.view import CORRUPTIONS, SEVERITIES
from quba_check.suites.corruptions import blur, corrupted, weather
from quba_check.suites.corruptions.strength import SMALL, Strength

PHOTOS = [rendition(5, k, name, name, name).image for k, name in enumerate(CLASSES)]
VARIANTS = [(name, severity) for name in CORRUPTIONS for severity in SEVERITIES]


def large(image: np.ndarray) -> np.ndarray:
    """The same scene at 224 pixels."""
    return cv2.resize(image, (224, 224), interpolation=cv2.INTER_CUBIC)


def change(image: np.ndarray, name: str, severity: int, key: int) -> float:
    shown = corrupted(image, name, severity, np.random.default_rng([key, severity]))
    return float(np.abs(shown.astype(float) - image).mean())


@pytest.mark.parametrize(("name", "severity"), VARIANTS)
def test_every_variant_is_an_image_of_the_same_size_and_repeats(name: str, severity: int) -> None:
    image = np.ascontiguousarray(PHOTOS[3][:, :40])
    before = image.copy()
    first = corrupted(image, name, severity, np.random.default_rng(7))
    assert first.dtype == np.uint8
    assert first.shape == image.shape == (48, 40, 3)
    assert np.array_equal(first, corrupted(image, name, severity, np.random.default_rng(7)))
    assert np.array_equal(image, before)
    assert not np.array_equal(first, image)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_higher_severity_changes_a_small_image_more(name: str) -> None:
    means = [np.mean([change(p, name, s, k) for k, p in enumerate(PHOTOS * 4)]) for s in SEVERITIES]
    assert np.all(np.diff(means) > 0), means


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name != "elastic_transform"])
def test_the_highest_severity_changes_a_large_image_more_than_the_lowest(name: str) -> None:
    # The published strengths of elastic_transform go from one wide bend to many small ones instead.
    means = [np.mean([change(large(p), name, s, k) for k, p in enumerate(PHOTOS[:3])]) for s in (1, 5)]
    assert means[1] > means[0]


@pytest.mark.parametrize("shape", [(224, 224, 3), (31, 57, 3), (120, 90, 3)])
def test_any_size_will_do(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for name in CORRUPTIONS:
        assert corrupted(image, name, 5, np.random.default_rng(0)).shape == shape


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    arrays(np.uint8, st.tuples(st.integers(8, 40), st.integers(8, 40), st.just(3))),
    st.sampled_from(CORRUPTIONS),
    st.sampled_from(SEVERITIES),
)
def test_no_image_breaks_it(image: np.ndarray, name: str, severity: int) -> None:
    assert corrupted(image, name, severity, np.random.default_rng(0)).shape == image.shape


def test_memory_layout_does_not_matter() -> None:
    turned = np.asfortranarray(PHOTOS[0])
    for name in CORRUPTIONS:
        straight = corrupted(PHOTOS[0], name, 3, np.random.default_rng(1))
        assert np.array_equal(straight, corrupted(turned, name, 3, np.random.default_rng(1)))


def test_threads_do_not_disturb_each_other_nor_global_state() -> None:
    expected = {v: corrupted(PHOTOS[1], *v, np.random.default_rng(2)) for v in VARIANTS}
    legacy, threads = np.random.get_state()[1].copy(), cv2.getNumThreads()  # noqa: NPY002 - must stay untouched
    wrong: list[tuple[str, int]] = []

    def work() -> None:
        wrong.extend(
            v
            for v in VARIANTS
            if not np.array_equal(expected[v], corrupted(PHOTOS[1], *v, np.random.default_rng(2)))
        )

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert np.array_equal(legacy, np.random.get_state()[1])  # noqa: NPY002
    assert cv2.getNumThreads() == threads


def test_all_variants_of_a_small_image_take_milliseconds() -> None:
    best = min(_seconds_for_all() for _ in range(5))
    assert best < 0.2  # 0.02 on an idle core; a busy machine gets some room


def _seconds_for_all() -> float:
    start = time.perf_counter()
    for variant in VARIANTS:
        corrupted(PHOTOS[2], *variant, np.random.default_rng(0))
    return time.perf_counter() - start


def test_gaussian_noise_has_its_published_strength() -> None:
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    spread = corrupted(grey, "gaussian_noise", 5, np.random.default_rng(0)).std() / 255
    assert spread == pytest.approx(0.10, rel=0.03)
    spread = (
        corrupted(np.full((96, 96, 3), 128, np.uint8), "gaussian_noise", 2, np.random.default_rng(0)).std()
        / 255
    )
    assert spread == pytest.approx(0.12, rel=0.03)


def test_shot_noise_varies_with_the_square_root_of_light() -> None:
    for value in (40, 160):
        grey = np.full((64, 64, 3), value, dtype=np.uint8)
        spread = corrupted(grey, "shot_noise", 5, np.random.default_rng(0)).std() / 255
        assert spread == pytest.approx(np.sqrt(value / 255 / 50), rel=0.05)


def test_impulse_noise_sets_its_share_of_values_half_black_half_white() -> None:
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    noisy = corrupted(grey, "impulse_noise", 5, np.random.default_rng(0))
    assert (noisy == 255).mean() == pytest.approx(0.035, abs=0.005)
    assert (noisy == 0).mean() == pytest.approx(0.035, abs=0.005)
    assert np.isin(noisy, (0, 128, 255)).all()


def test_contrast_and_brightness_by_hand() -> None:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[:, 4:] = [200, 100, 50]
    rng = np.random.default_rng(0)
    # contrast 5: 0.15 x + 0.85 mean, the mean of red being 100
    assert corrupted(image, "contrast", 5, rng)[0, [0, 7], 0].tolist() == [85, 115]
    # brightness 2: the maximum 200 rises by 25.5, the others by the same factor; black turns grey
    bright = corrupted(image, "brightness", 2, rng)
    assert bright[0, 7].tolist() == [225, 112, 56]
    assert bright[0, 0].tolist() == [25, 25, 25]


def test_glass_blur_only_moves_pixels_a_little() -> None:
    place = np.arange(20 * 30).reshape(20, 30)
    blur._shuffle(place, 2, np.random.default_rng(0))
    assert sorted(place.ravel()) == list(range(600))
    rows, columns = np.divmod(place, 30)
    moved = np.maximum(abs(rows - np.arange(20)[:, None]), abs(columns - np.arange(30)))
    assert 0 < moved.mean() < 4


@pytest.mark.parametrize("degrees", [-135, -90, -45, 0, 30, 45])
def test_a_motion_trail_points_where_it_should(degrees: float) -> None:
    kernel = blur.trail(6, 2.0, degrees)
    assert kernel.sum() == pytest.approx(1)
    y, x = np.mgrid[: kernel.shape[0], : kernel.shape[1]] - kernel.shape[0] // 2
    direction = np.rad2deg(np.arctan2((kernel * y).sum(), (kernel * x).sum()))
    assert direction == pytest.approx(degrees, abs=0.5)


def test_a_filter_is_a_weighted_sum_over_a_mirrored_image() -> None:
    image, kernel = PHOTOS[4].astype(np.float32) / 255, blur.trail(3, 1.5, 20)
    reach = kernel.shape[0] // 2
    mirrored = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    slow = np.zeros_like(image)
    for (y, x), weight in np.ndenumerate(kernel):
        slow += weight * mirrored[y : y + 48, x : x + 48]
    assert blur.filtered(image, kernel) == pytest.approx(slow, abs=1e-5)


def test_a_zoom_looks_at_the_middle() -> None:
    ramp = np.broadcast_to(np.arange(48, dtype=np.float32), (48, 48))
    assert blur.zoomed(np.ascontiguousarray(ramp), 1.0) == pytest.approx(ramp)
    expected = 23.5 + (np.arange(48) - 23.5) / 1.25
    assert blur.zoomed(np.ascontiguousarray(ramp), 1.25)[24] == pytest.approx(expected, abs=1 / 32)


def test_plasma_fills_its_range_and_is_smoother_with_decay() -> None:
    rough, smooth = (weather.plasma((64, 64), decay, np.random.default_rng(0)) for decay in (1.5, 3.0))
    for field in (rough, smooth):
        assert field.min() == 0
        assert field.max() == pytest.approx(1)
    assert np.abs(np.diff(smooth)).mean() < np.abs(np.diff(rough)).mean()
    assert weather.plasma((48, 31), 2.0, np.random.default_rng(0)).shape == (48, 31)


def test_fog_keeps_the_brightest_value() -> None:
    image = PHOTOS[5]
    assert corrupted(image, "fog", 5, np.random.default_rng(0)).max() <= image.max()


def test_the_side_decides_between_the_two_tables() -> None:
    small, great = (1, 2, 3, 4, 5), (6, 7, 8, 9, 10)
    assert Strength(2, SMALL).of(small, great) == 2
    assert Strength(2, SMALL + 1).of(small, great) == 7


@pytest.mark.parametrize(
    ("image", "name", "severity", "message"),
    [
        (
            PHOTOS[0],
            "frogs",
            1,
            "corruption: unknown name, got 'frogs'. Allowed: gaussian_noise, shot_noise, impulse_noise, "
            "defocus_blur, glass_blur, motion_blur, zoom_blur, snow, frost, fog, brightness, contrast, "
            "elastic_transform, pixelate, jpeg_compression. Did you mean 'frost'?",
        ),
        (PHOTOS[0], "fog", 6, "fog: unknown severity, got 6. Allowed: 1, 2, 3, 4, 5."),
        (
            PHOTOS[0][..., 0],
            "fog",
            1,
            "fog: not an RGB image, got uint8 of shape (48, 48). Allowed: uint8 of shape (H, W, 3).",
        ),
        (
            PHOTOS[0] / 255,
            "fog",
            1,
            "fog: not an RGB image, got float64 of shape (48, 48, 3). Allowed: uint8 of shape (H, W, 3).",
        ),
    ],
)
def test_what_cannot_be_corrupted_is_said(image: np.ndarray, name: str, severity: int, message: str) -> None:
    with pytest.raises(UserError) as caught:
        corrupted(image, name, severity, np.random.default_rng(0))
    assert str(caught.value) == message
