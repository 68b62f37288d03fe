"""Label maps of a manifest, in every set that may have one: each rule against a computation by hand.

The network's four logits are those of `Reds` in `support.tiny`, so that answers can be planted.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.evaluations import Evaluate

CLASSES = ("ant", "bee", "cat", "dog")
SPACES = {  # one rule each; `best` and `top` leave a class out
    "kind": ("mean", {"insect": ("ant", "bee"), "mammal": ("cat", "dog")}),
    "best": ("argmax", {"mammal": ("dog",), "insect": ("ant", "bee")}),
    "top": ("map", {"small": ("bee",), "big": ("dog", "cat")}),
}


def pictures(rng: np.random.Generator, number: int) -> np.ndarray:
    made = np.zeros((number, 2, 2, 3), np.uint8)
    made[..., 0] = np.stack([rng.permutation(256)[:4] for _ in range(number)]).reshape(number, 2, 2)
    return made


def chosen(picture: np.ndarray, space: str) -> str | None:
    """The class that an image of the network's means, by the rule's words."""
    logits = picture[..., 0].ravel() / 255 * 12
    p = dict(zip(CLASSES, np.exp(logits) / np.exp(logits).sum(), strict=True))
    by, classes = SPACES[space]
    if by == "mean":
        return max(
            classes, key=lambda label: sum(p[member] for member in classes[label]) / len(classes[label])
        )
    if by == "argmax":
        return max(classes, key=lambda label: max(p[member] for member in classes[label]))
    top = max(p, key=lambda name: p[name])
    return next((label for label, members in classes.items() if top in members), None)


def write_cues(folder: Path, rng: np.random.Generator, space: str) -> dict[str, np.ndarray]:
    """Cue-conflict images by name, with both cues of each."""
    one, other = SPACES[space][1]
    folder.mkdir()
    made = {}
    for number, picture in enumerate(pictures(rng, 20)):
        shape, texture = (one, other) if number % 2 else (other, one)
        made[f"{shape}{number}-{texture}1"] = picture
        Image.fromarray(picture).save(folder / f"{shape}{number}-{texture}1.png")
    return made


@pytest.mark.parametrize("space", SPACES)
def test_every_set_is_read_by_its_map(tmp_path: Path, evaluate: Evaluate, space: str) -> None:
    rng = np.random.default_rng(3)
    root = tmp_path / "data"
    root.mkdir()
    clean = pictures(rng, 16)
    clean_labels = clean[..., 0].reshape(16, 4).argmax(axis=1)
    clean_labels[:4] = (clean_labels[:4] + 1) % 4
    np.savez(root / "clean.npz", images=clean, labels=clean_labels)
    right = {}
    names = list(SPACES[space][1])
    for name in ("night", "same", "rand"):
        images = pictures(rng, 40)
        labels = [names[k] for k in rng.integers(0, 2, 40)]
        np.savez(root / f"{name}.npz", images=images, labels=labels)
        right[name] = np.mean([chosen(i, space) == k for i, k in zip(images, labels, strict=True)])
    cues = write_cues(root / "cc", rng, space)
    by, classes = SPACES[space]
    members = ", ".join(f"{label}: [{', '.join(of)}]" for label, of in classes.items())
    (root / "quba-data.yaml").write_text(
        f"""\
schema: 1
name: maps
classes: [{", ".join(CLASSES)}]
sets:
  clean: {{reader: arrays, path: clean.npz, prepared: true}}
  shifts:
    night: {{reader: arrays, path: night.npz, prepared: true, space: {space}}}
  mixed_same: {{reader: arrays, path: same.npz, prepared: true, space: {space}}}
  mixed_rand: {{reader: arrays, path: rand.npz, prepared: true, space: {space}}}
  cue_conflict: {{reader: cue-conflict, path: cc, prepared: true, space: {space}}}
spaces:
  {space}: {{by: {by}, {members}}}
"""
    )
    evaluation = evaluate("four_reds", root, device="cpu")
    shifted = evaluation.measure("ood_robustness")
    assert shifted.value == pytest.approx(right["night"] / 0.75)
    known = [
        (chosen(picture, space), label)
        for picture, k in zip(clean, clean_labels, strict=True)
        for label, of in classes.items()
        if CLASSES[k] in of
    ]
    assert shifted.parts["night_matched"].n == len(known)
    assert shifted.parts["night_matched"].value == pytest.approx(
        np.mean([said == label for said, label in known])
    )
    focus = evaluation.measure("object_focus")
    assert focus.value == pytest.approx(1 - (right["same"] - right["rand"]) / 0.75)
    said = {name: chosen(picture, space) for name, picture in cues.items()}
    bias = evaluation.measure("shape_bias").parts
    assert bias["shape_hits"].value == sum(name.startswith(str(label)) for name, label in said.items())
    assert bias["texture_hits"].value == sum(f"-{label}1" in name for name, label in said.items())
