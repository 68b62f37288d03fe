"""Mixed sets that the command made, judged: one network looks at backgrounds only, one at objects only."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.gate import Gate

from quba_check.cli.main import main

SIDE = 16
PER_CLASS = 4
COLOURS = {"red": (210, 40, 40), "green": (40, 210, 40), "blue": (40, 40, 210)}
MANIFEST = """\
schema: 1
name: coloured squares
classes: [red, green, blue]
sets:
  clean: {reader: folder, path: val}
"""
NETWORKS = '''\
"""Networks that name the strongest colour at a place."""

import torch
from torch import nn


class Looks(nn.Module):
    quba_config = {
        "input_size": (3, 16, 16), "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0),
        "interpolation": "bilinear", "crop_pct": 1.0,
    }

    def __init__(self, where):
        super().__init__()
        self.where = where
        self.scale = nn.Parameter(torch.full((3,), 20.0))

    def forward(self, x):
        corner, middle = x[:, :, :3, :3], x[:, :, 7:9, 7:9]
        return (corner if self.where == "background" else middle).mean(dim=(2, 3)) * self.scale


def background():
    return Looks("background")


def object():
    return Looks("object")
'''


def noisy(rng: np.random.Generator, colour: tuple[int, ...]) -> np.ndarray:
    return np.clip(colour + rng.normal(0, 12, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Squares of a class's colour on ground of a darker shade of it; the command has added the mixed sets."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[5:11, 6:10] = True
    rng = np.random.default_rng(5)
    for name, colour in COLOURS.items():
        for k in range(PER_CLASS):
            picture = np.where(mask[..., None], noisy(rng, colour), noisy(rng, colour) // 2)
            for folder, content in (("data/val", picture), ("masks", mask)):
                path = tmp_path / folder / name / f"{k}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(content).save(path)
    (tmp_path / "data" / "quba-data.yaml").write_text(MANIFEST, encoding="utf-8")
    masks = str(tmp_path / "masks")
    assert main(["suite", "make-object-focus", str(tmp_path / "data"), "--masks", masks, "--write"]) == 0
    return tmp_path / "data"


def test_a_model_that_looks_at_backgrounds_fails(
    made: Path, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made_nets.py").write_text(NETWORKS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    background, looker = (
        gate.judge("dimensions: {object_focus: {min: 0.9}}", model=f"made_nets:{name}", data=made)
        for name in ("background", "object")
    )
    assert (background.overall_verdict, looker.overall_verdict) == ("fail", "pass")
    of = json.loads((made / "object_focus/object-focus.json").read_text(encoding="utf-8"))["pictures"]
    lucky = sum(f"val/{name.partition('/')[0]}/" in pair["rand"] for name, pair in of.items()) / len(of)
    assert 0 < lucky < 0.7
    row = background.measurements["object_focus"]
    assert [row.value, row.parts["mixed_rand"].value] == pytest.approx([lucky, lucky])
    assert row.parts["mixed_same"].value == looker.measurements["object_focus"].value == 1
