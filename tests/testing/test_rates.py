"""Shares of changed answers, on a fixed sample."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.tiny import write_suite

from quba_check.errors import UserError
from quba_check.suites import open_suite
from quba_check.testing.perturbations import Brightness, HorizontalFlip, Pixels
from quba_check.testing.rates import share_changed, share_of


class Reds:
    """Answers if the left half is redder than the right; records the calls."""

    def __init__(self, root: Path) -> None:
        self.suite = open_suite(root)
        self.calls: list[tuple[int, bool]] = []

    def answers(self, images: list[Pixels], *, crop: bool) -> SimpleNamespace:
        self.calls.append((len(images), crop))
        halves = [(image[:, :4, 0].mean(), image[:, 4:, 0].mean()) for image in images]
        return SimpleNamespace(predicted=np.array([left > right for left, right in halves]))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("rates") / "data", per_class=30)


def test_all_none_and_a_third(data: Path) -> None:
    quba = Reds(data)
    every = share_changed(quba, HorizontalFlip())
    assert (every.count, every.n, every.value) == (90, 90, 1.0)
    assert every.interval == pytest.approx((0.959841, 1.0), abs=1e-6)
    none = share_changed(quba, Brightness(0), n=40)
    assert (none.count, none.n, none.cases) == (0, 40, ())
    words = "Brightness(by=0) changed the answer in 0 of 40 cases, 0.0% (95 % interval 0.0% to 8.8%)"
    assert str(none) == words

    def flip_greens(pixels: Pixels) -> Pixels:
        return pixels[:, ::-1] if pixels[..., 1].mean() > 130 else pixels

    third = share_changed(quba, flip_greens)
    green = [p for p in every.cases if "brick" in p]
    assert set(third.cases) == set(green)
    assert third.value == pytest.approx(1 / 3)


def test_the_sample_is_fixed_by_its_seed_and_read_in_chunks(data: Path) -> None:
    quba = Reds(data)
    first = share_changed(quba, HorizontalFlip(), n=70)
    assert quba.calls == [(64, True), (64, True), (6, True), (6, True)]
    assert share_changed(quba, HorizontalFlip(), n=70) == first
    other = share_changed(quba, HorizontalFlip(), n=70, seed=1)
    assert set(other.cases) != set(first.cases)
    assert len(set(first.cases)) == 70


def test_prepared_images_of_another_set_are_not_cropped(data: Path, tmp_path: Path) -> None:
    manifest = (data / "quba-data.yaml").read_text(encoding="utf-8")
    root = shutil.copytree(data, tmp_path / "data")
    (root / "quba-data.yaml").write_text(manifest.replace("path: night", "path: night, prepared: true"))
    quba = Reds(root)
    share = share_changed(quba, HorizontalFlip(), set="night")
    assert quba.calls == [(6, False), (6, False)]
    assert share.n == 6
    assert all(name.startswith("night/") for name in share.cases)


def test_the_repr_names_the_first_cases() -> None:
    assert str(share_of("A flip changed the answer", "abcde", 50)) == (
        "A flip changed the answer in 5 of 50 cases, 10.0% (95 % interval 3.3% to 21.8%): a, b, c and 2 more"
    )


def test_an_empty_sample_is_refused(data: Path) -> None:
    with pytest.raises(UserError, match=r"^share_changed: n, got 0\. Allowed: a whole number from 1\.$"):
        share_changed(Reds(data), HorizontalFlip(), n=0)
