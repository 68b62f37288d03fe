"""Findings on copies, labels, training images and bursts, one planted error each."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from quba_check.cli.main import main
from quba_check.doctor import clean_sets
from quba_check.doctor.clean_sets import check_pictures
from quba_check.storage.file_digests import ContentDigests
from quba_check.suites.opening import open_suite

MANIFEST = """\
schema: 1
name: fruit
classes: [apple, pear]
training: train
sets:
  clean: {reader: folder, path: val%s}
  shifts:
    night: {reader: folder, path: night, partial: true}
"""


def scene(seed: int, side: int = 128) -> Image.Image:
    """Return a smooth random picture."""
    noise = np.random.default_rng(seed).normal(128, 600, (side, side, 3))
    return Image.fromarray(ndimage.gaussian_filter(noise, (4, 4, 0)).clip(0, 255).astype(np.uint8))


def save(image: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight different clean pictures, one of a shift, one of training."""
    for k in range(8):
        save(scene(k), tmp_path / "val" / ("apple", "pear")[k % 2] / f"p{k * 7919 % 101:03d}.png")
    save(scene(20), tmp_path / "night" / "apple" / "n.png")
    save(scene(30), tmp_path / "train" / "t.png")
    return tmp_path


def text(data: Path, group: str = "") -> str:
    (data / "quba-data.yaml").write_text(MANIFEST % group)
    suite = open_suite(data)
    assert suite.training == data / "train"
    digests = ContentDigests(data / "store" / "digests.sqlite")
    found = check_pictures(suite, digests, suite.training, lambda _: None)[1]
    return "\n".join(f"{one.severity}: {one.text()}" for one in found).replace(str(data), "DATA")


def small(seed: int) -> Image.Image:
    return scene(seed).resize((96, 96))


def test_a_clean_set_has_no_findings(data):
    assert text(data) == ""


def test_exact_and_near_copies_in_one_set(data, snapshot):
    shutil.copy(data / "val/apple/p000.png", data / "val/apple/twin.png")
    small(1).save(data / "val/pear/small.png")
    assert text(data) == text(data, ", group: {path: '(?P<group>.*)'}") == snapshot
    assert text(data, ", group: {folders: 1}") == ""


def test_one_picture_under_two_labels_is_the_gravest(data, snapshot):
    shutil.copy(data / "val/apple/p000.png", data / "val/pear/wrong.png")
    small(1).save(data / "val/apple/wrong.png")
    shutil.copy(data / "val/pear/p041.png", data / "night/apple/wrong.png")
    assert text(data) == snapshot
    in_one_group = text(data, ", group: {path: '(?P<group>val)'}")
    assert in_one_group.startswith("problem: clean: 2 pictures under two labels.\n")


def test_training_images(data, snapshot):
    shutil.copy(data / "val/apple/p000.png", data / "train/a.png")
    small(1).save(data / "train/b.png")
    shutil.copy(data / "train/t.png", data / "train/twice.png")
    assert text(data) == snapshot


@pytest.mark.parametrize(("most", "findings"), [(10, 1), (9, 0)])
def test_the_doctor_compares_few_images_with_those_of_training(data, monkeypatch, most, findings):
    monkeypatch.setattr(clean_sets, "MOST_EXAMINED", most)
    shutil.copy(data / "train/t.png", data / "night/apple/n.png")
    (data / "quba-data.yaml").write_text(MANIFEST % "")
    subject = SimpleNamespace(suite=open_suite(data))
    assert len([*clean_sets.check(subject, ContentDigests(data / "store" / "digests.sqlite"))]) == findings


def test_copies_in_two_sets_and_two_spellings(data, snapshot):
    shutil.copy(data / "val/apple/p000.png", data / "night/apple/copy.png")
    small(2).save(data / "night/apple/dark.png")
    save(scene(40), data / "val/apple/P000.PNG")
    save(scene(41), data / "val/pear/caf\u00e9.png")
    save(scene(42), data / "val/pear/cafe\u0301.png")
    assert text(data) == snapshot


def test_sets_to_choose_thresholds_on_are_compared_too(data):
    shutil.copytree(data / "val", data / "tuning")
    found = text(data, "}\n  other: {tuning: {reader: folder, path: tuning}")
    assert "tuning: 8 of 8 images are exact copies of images of clean." in found


def test_frames_of_a_burst(data):
    for k in range(5):
        frame = scene(50).point(lambda value, k=k: value + k)
        save(frame, data / f"val/apple/IMG_{100 + k}.png")
    burst = "remark: clean: 5 of 13 images look like the frames of 1 burst, and no group is declared."
    assert burst in text(data)
    assert "burst" not in text(data, ", group: {path: '(?P<group>.*)$'}")


def test_many_flat_frames_are_one_picture(data):
    for k in range(300):
        save(Image.new("RGB", (8, 8), (k % 3, 0, k // 3 % 3)), data / f"val/pear/f{k * 7}.png")
    found = text(data)
    assert "remark: clean: 291 of 308 images are exact copies of others." in found
    assert "remark: clean: 8 of 308 images are near copies of others." in found


def test_the_command_prints_findings_and_exits_with_1_for_a_problem(data, capsys, monkeypatch):
    monkeypatch.setenv("QUBA_STORE", str(data / "store"))
    (data / "quba-data.yaml").write_text(MANIFEST % "")
    assert main(["suite", "check", str(data)]) == 0
    assert capsys.readouterr().out == "fruit: clean (clean: 8 images, night: 1 images, training: 1 images)\n"
    listed = data / "list.txt"
    listed.write_text("val/pear/p041.png\n")
    assert main(["suite", "check", str(data), "--training", str(listed)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "clean: 1 of 8 images were trained with, 1 as exact copies."
    assert lines[-1] == "fruit: 1 problem (clean: 8 images, night: 1 images, training: 1 images)"
