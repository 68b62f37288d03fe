"""Images that two sets share: equal files, other encodings, and different images that are alike."""

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.requests import class_request
from support.suites import error_text, suite_of, tree

from quba_check.core.request import OperatingPoint, Request
from quba_check.core.view import CLEAN, View
from quba_check.suites.opening import find_suite
from quba_check.suites.shared_images import check_sets_differ, shared_images
from quba_check.suites.suite import Suite

Files = Sequence[bytes]


def pictures(seed: int, count: int, side: int = 48) -> list[Image.Image]:
    """Return images of smooth random colours, with noise."""
    rng = np.random.default_rng(seed)
    return [
        Image.fromarray(
            np.clip(
                np.asarray(
                    Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((side, side))
                )
                + rng.normal(0, 8, (side, side, 3)),
                0,
                255,
            ).astype(np.uint8)
        )
        for _ in range(count)
    ]


def files(images: Sequence[Image.Image], kind: str = "png", scale: float = 1, **settings: int) -> list[bytes]:
    encoded = []
    for image in images:
        file = io.BytesIO()
        image.resize([round(scale * side) for side in image.size]).save(file, kind, **settings)
        encoded.append(file.getvalue())
    return encoded


def cats(root: Path, sets: Mapping[str, Files], unknown: Mapping[str, str] = {}, kinds: str = "") -> Suite:
    """Return a suite with the first set as the clean one, the others as shifts, and further kinds of sets."""
    for name, contents in sets.items():
        for number, content in enumerate(contents):
            tree(root, f"{name}/cat/{number:03}.png", content=content)
    clean, *shifts = (f"{name}: {{reader: folder, path: {name}, partial: true}}" for name in sets)
    names = ", ".join(f"{name}: {path}" for name, path in unknown.items())
    text = f"sets: {{{clean}, shifts: {{{', '.join(shifts)}}}, unknown: {{{names}}}{kinds}}}"
    return suite_of(root, text, "[cat, dog]")


@pytest.fixture
def shared(tmp_path: Path) -> Callable[[Files, Files], str]:
    """Return the sentence on two sets, the clean one and `val`."""
    return lambda clean, val: shared_images(
        cats(tmp_path, {"clean": clean, "val": val}), View("val"), View("clean"), tmp_path / "digests.sqlite"
    )


def test_copies_from_a_tenth_of_a_set_on(tmp_path: Path) -> None:
    clean = files(pictures(1, 20))
    others = files(pictures(2, 20))
    digests = tmp_path / "digests.sqlite"
    sets = {
        "clean": clean,
        "one": [*others[:10], clean[0]],
        "two": [*others, *clean[:2]],
        "large": clean + 4 * others,
    }
    suite = cats(tmp_path, sets)
    texts = [shared_images(suite, View(name), View("clean"), digests) for name in ("one", "two", "large")]
    assert texts == [
        "",
        "2 of the 20 images of the set clean are also in the set two",
        "20 of the 100 images of the set large are also in the set clean",
    ]


@pytest.mark.parametrize(
    ("side", "scale", "settings"),
    [
        (48, 1, {"quality": 75}),
        (48, 1.3, {"quality": 90}),
        (200, 1, {"quality": 50}),
        (200, 0.5, {"quality": 75}),
    ],
)
def test_another_encoding_and_size(
    shared: Callable[[Files, Files], str], side: int, scale: float, settings: Mapping[str, int]
) -> None:
    images = pictures(1, 20, side)
    text = shared(files(images), files(images[::-1], "jpeg", scale, **settings))
    count, _, rest = text.partition(" of ")
    assert rest == "the 20 images of the set val are also in the set clean"
    assert int(count) >= 15


def test_different_images_are_not_shared(shared: Callable[[Files, Files], str]) -> None:
    assert shared(files(pictures(1, 40)), files(pictures(2, 40), "jpeg", quality=75)) == ""


@pytest.mark.slow
def test_different_images_of_the_demo_s_classes_are_not_shared(tmp_path: Path) -> None:
    demo = find_suite("demo", tmp_path)
    images = [demo.image(example) for example in demo.examples(CLEAN)]
    half = cats(tmp_path / "half", {"clean": files(images[::2]), "val": files(images[1::2])})
    assert shared_images(half, View("val"), View("clean"), tmp_path / "digests.sqlite") == ""
    for shift in demo.facts.shifts:
        assert shared_images(demo, View(shift), View("clean"), tmp_path / "digests.sqlite") == ""


def test_an_image_that_cannot_be_decoded_is_left_to_its_prediction(
    shared: Callable[[Files, Files], str],
) -> None:
    images = pictures(1, 10)
    assert shared([*files(images), b"x"], files(images, "jpeg", quality=90)) == ""


def requests_on(chosen_on: str, judged: str) -> list[Request]:
    return [class_request("cat", (0,), "recall", judged, OperatingPoint("specificity", 0.9, chosen_on))]


def message(suite: Suite, views: Sequence[View], requests: Sequence[Request] = ()) -> str:
    text = error_text(check_sets_differ, suite, views, requests, suite.root / "digests.sqlite")
    return text.replace(str(suite.root), "DATA")


def test_a_threshold_chosen_on_judged_images(tmp_path: Path) -> None:
    clean = files(pictures(1, 12))
    suite = cats(tmp_path, {"clean": clean, "val": clean, "night": files(pictures(2, 12))})
    check_sets_differ(suite, [CLEAN], requests_on("night", "clean"), tmp_path / "digests.sqlite")
    text = (
        "DATA: 12 of the 12 images of the set {} are also in the set {}, but the threshold of {} must be "
        "chosen on images that are not judged. Allowed: less than a tenth of a set."
    )
    name = "cat.recall@specificity=0.9,from=val"
    assert message(suite, [CLEAN], requests_on("val", "clean")) == text.format("val", "clean", name)
    assert message(suite, [CLEAN], requests_on("val", "fog")) == text.format(
        "val", "clean", f"{name},set=fog"
    )


KINDS = (
    ", other: {tuning: {reader: folder, path: first, group: {folders: 1}}, "
    "new: {reader: folder, path: second, group: {folders: 1}}}, "
    "decided: {tuned: {of: tuning, by: mean}, newly: {of: new, by: mean}, far_by: {of: far, by: mean}}"
).replace("1}}", "1}, partial: true}")


@pytest.mark.parametrize(
    ("chosen_on", "judged", "shared"),
    [
        ("tuning", "clean", ("tuning", "clean")),
        ("tuning", "fog", ("tuning", "clean")),
        ("tuned", "clean", ("tuning", "clean")),
        ("tuned", "tuning", ("tuning", "tuning")),
        ("tuned", "far", ("tuning", "unknown/far")),
        ("tuning", "far_by", ("tuning", "unknown/far")),
        ("new", "clean", ()),
        ("newly", "far_by", ()),
        ("newly", "night", ()),
    ],
)
def test_sets_are_compared_by_their_roots(
    tmp_path: Path, chosen_on: str, judged: str, shared: tuple[str, ...]
) -> None:
    clean = files(pictures(1, 12))
    sets = {"clean": clean, "first": clean, "second": files(pictures(3, 12)), "night": files(pictures(2, 12))}
    suite = cats(tmp_path, sets, {"far": "{path: first, group: {folders: 1}}"}, KINDS)
    requests = requests_on(chosen_on, judged)
    if shared:
        text = "12 of the 12 images of the set {} are also in the set {}, but".format(*shared)
        assert message(suite, [CLEAN], requests).startswith(f"DATA: {text} the threshold of cat.recall@")
    else:
        check_sets_differ(suite, [CLEAN], requests, tmp_path / "digests.sqlite")


@pytest.mark.parametrize(
    ("unknown", "first", "second"),
    [
        ({"far": "night", "near": "clean"}, "unknown/near", "clean"),
        ({"far": "night", "near": "night"}, "unknown/far", "unknown/near"),
    ],
)
def test_unknown_images_that_are_in_two_sets(
    tmp_path: Path, unknown: Mapping[str, str], first: str, second: str
) -> None:
    sets = {"clean": files(pictures(1, 12)), "night": files(pictures(2, 12))}
    suite = cats(tmp_path, sets, unknown)
    views = [CLEAN, View("unknown/far"), View("unknown/near")]
    assert message(suite, views) == (
        f"DATA: 12 of the 12 images of the set {first} are also in the set {second}, but an unknown image "
        "must be in one set. Allowed: less than a tenth of a set."
    )
    check_sets_differ(suite, views[:2], [], tmp_path / "digests.sqlite")
