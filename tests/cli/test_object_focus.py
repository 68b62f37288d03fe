"""`quba-check suite make-object-focus`: what it writes, what it says, and what mistakes get."""

import shlex
import shutil
import sys

import numpy as np
import pytest
from PIL import Image
from support.tiny import CLASSES, copy_suite

from quba_check.cli.main import main
from quba_check.core.view import View
from quba_check.suites import open_suite
from quba_check.suites.label_spaces import imagenet_classes

DECLARED = """\
  mixed_same: {reader: folder, path: mixed_same}
  mixed_rand: {reader: folder, path: mixed_rand}
"""


@pytest.fixture
def data(tiny_data, tmp_path):
    """The tiny suite without its mixed sets; beside it `masks/`, squares of nine pixels."""
    root = copy_suite(tiny_data, tmp_path / "data")
    manifest = root / "quba-data.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(DECLARED, ""), encoding="utf-8")
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 3:6] = 255
    for name in CLASSES:
        (tmp_path / "masks" / name).mkdir(parents=True)
        for k in range(3):
            Image.fromarray(mask).save(tmp_path / "masks" / name / f"00{k}.png")
    return root


@pytest.fixture
def run(run, tmp_path):
    """Run the command: exit code, output and errors, with DIR for the folder of the test."""

    def command(*arguments):
        code, *texts = run(shlex.join(["suite", "make-object-focus", *map(str, arguments)]))
        return code, *(text.replace(str(tmp_path), "DIR") for text in texts)

    return command


def test_the_lines_to_add(data, tmp_path, run, snapshot):
    manifest = data / "quba-data.yaml"
    before = manifest.read_bytes()
    (tmp_path / "masks/apple/001.png").unlink()
    assert run(data, "--masks", tmp_path / "masks") == (0, snapshot, "")
    assert manifest.read_bytes() == before


def test_written_into_the_manifest_and_described(data, tmp_path, run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    arguments = (data, "--masks", tmp_path / "masks", "-o", data / "mixed", "--per-class", "2", "--write")
    for _ in range(2):
        shutil.rmtree(data / "mixed", ignore_errors=True)
        text = "DIR/data/mixed: 6 images in each set, of 3 classes\nDIR/data/quba-data.yaml declares them\n"
        assert run(*arguments) == (0, text, "")
    suite = open_suite(data)
    assert len(suite.examples(View("mixed_same"))) == len(suite.examples(View("mixed_rand"))) == 6
    assert main(["suite", "describe", str(data)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mixed_same", "6", "6", "own", "3", "of", "3", "2", "mixed/mixed_same"] in rows
    assert ["mixed_rand", "6", "6", "own", "3", "of", "3", "2", "mixed/mixed_rand"] in rows


def test_classes_without_an_object_and_a_folder_elsewhere(data, tmp_path, run, capsys, monkeypatch):
    for path in (tmp_path / "masks/cloud").iterdir():
        path.unlink()
    out = tmp_path / "elsewhere"
    code, text, _ = run(data, "--masks", tmp_path / "masks", "-o", out, "--write")
    assert code == 0
    assert text.splitlines()[0] == "DIR/elsewhere: 6 images in each set, of 2 classes"
    manifest = (data / "quba-data.yaml").read_text(encoding="utf-8")
    assert (
        f"  mixed_rand: {{reader: folder, path: {out}/mixed_rand, expected: 6, partial: true}}\n" in manifest
    )
    assert len(open_suite(data).examples(View("mixed_rand"))) == 6
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["suite", "describe", str(data)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mixed_rand", "6", "6", "own", "2", "of", "3", "3", f"{out}/mixed_rand"] in rows


def test_images_stored_at_their_final_size(data, tmp_path, run):
    manifest = data / "quba-data.yaml"
    text = manifest.read_text(encoding="utf-8").replace("path: val,", "path: val, prepared: true,")
    manifest.write_text(text, encoding="utf-8")
    text = run(data, "--masks", tmp_path / "masks")[1]
    assert text.count("expected: 9, prepared: true}") == 2


def test_boxes(data, tmp_path, run):
    rng = np.random.default_rng(0)
    rows = ["path,x0,y0,x1,y1"]
    for name in CLASSES:
        for k in range(3):
            picture = rng.integers(150, 250, (40, 40, 3), np.uint8)
            picture[10:25, 12:30] = rng.integers(0, 60, (15, 18, 3), np.uint8)
            Image.fromarray(picture).save(data / "val" / name / f"00{k}.png")
            rows.append(f"val/{name}/00{k}.png,10,8,32,27")
    (tmp_path / "boxes.csv").write_text("\n".join(rows), encoding="utf-8")
    code, text, _ = run(data, "--boxes", tmp_path / "boxes.csv")
    assert (code, text.splitlines()[0]) == (0, "DIR/data/object_focus: 9 images in each set, of 3 classes")
    mixed = np.asarray(Image.open(data / "object_focus/mixed_rand/apple/00000.png"))
    assert (mixed[10:25, 12:30] < 60).all()
    assert (mixed[:8] >= 150).all()


def test_objects_in_few_images_need_consent(data, tmp_path, run, snapshot):
    for name in ("apple/000", "apple/001", "apple/002", "brick/000", "cloud/000"):
        (tmp_path / "masks" / f"{name}.png").unlink()
    masks = ("--masks", tmp_path / "masks")
    assert run(data, *masks, "--write") == (1, "", snapshot)
    assert not (data / "object_focus").exists()
    assert "mixed_same" not in (data / "quba-data.yaml").read_text(encoding="utf-8")
    code, text, _ = run(data, *masks, "--allow-few")
    assert (code, text.splitlines()[0]) == (0, "DIR/data/object_focus: 4 images in each set, of 2 classes")


def test_the_published_layout_has_no_manifest(tmp_path, run, snapshot):
    data = tmp_path / "data"
    for number, name in enumerate(imagenet_classes()):
        (data / "imagenet/val" / name).mkdir(parents=True)
        for file in ("1.ppm", "2.ppm")[: 2 if number < 2 else 1]:
            (data / "imagenet/val" / name / file).write_bytes(b"P6 2 2 255 " + bytes(12))
    mask = np.array([[255, 0], [0, 0]], np.uint8)
    for name in imagenet_classes()[:2]:
        (tmp_path / "masks" / name).mkdir(parents=True)
        for file in ("1.png", "2.png"):
            Image.fromarray(mask).save(tmp_path / "masks" / name / file)
    code, text, _ = run(data, "--masks", tmp_path / "masks", "--allow-few")
    assert code == 0
    assert "\n".join(text.splitlines()[2:]) == snapshot


def test_progress_on_a_terminal_alone(data, tmp_path, run, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, _, err = run(data, "--masks", tmp_path / "masks")
    assert code == 0
    assert "looking for objects" in err
    assert "mixing" in err


def test_mistakes(data, tmp_path, run, snapshot):
    masks = ("--masks", tmp_path / "masks")
    assert run(data) == (4, "", snapshot)
    assert run(data, *masks, "--boxes", "b.csv") == (4, "", snapshot)
    assert run(data, *masks, "-o", data / "val") == (4, "", snapshot)


def test_no_manifest_to_write_into(tmp_path, run, snapshot):
    (tmp_path / "data/imagenet/val").mkdir(parents=True)
    assert run(tmp_path / "data", "--masks", tmp_path, "--write") == (4, "", snapshot)
