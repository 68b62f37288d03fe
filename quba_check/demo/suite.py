"""Files of the demo suite, with sets for all nine dimensions; drawn on first use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from PIL import Image

from quba_check.demo import CLASSES, IMAGE_SIZE
from quba_check.demo.renditions import Style, rendition
from quba_check.errors import StoreError
from quba_check.storage.atomic import replacing

SEED = 2026
"""Families of images have seeds from `SEED` to `SEED` + 99; training uses other seeds."""

CLEAN_PER_CLASS = 40
SHIFTED_PER_CLASS = 15
MIXED_PER_CLASS = 30
CUES_PER_PAIR = 3
CUE_IMAGES = CUES_PER_PAIR * len(CLASSES) * (len(CLASSES) - 1)
SHIFTS: tuple[Style, ...] = ("sketch", "edge", "silhouette", "stylized", "negative")
_NATURAL_SETS: tuple[tuple[str, Style, int], ...] = (
    ("clean", "natural", CLEAN_PER_CLASS),
    *((style, style, SHIFTED_PER_CLASS) for style in SHIFTS),
)

_SHIFT_LINES = "\n".join(
    f"    {style}: {{reader: folder, path: {style}, expected: {SHIFTED_PER_CLASS * len(CLASSES)}}}"
    for style in SHIFTS
)
MANIFEST = f"""\
# The demo suite of quba-check: generated images of ten shapes. Drawn again if it is deleted.
schema: 1
name: demo
classes: [{", ".join(CLASSES)}]
image_size: {IMAGE_SIZE}
sets:
  clean: {{reader: folder, path: clean, expected: {CLEAN_PER_CLASS * len(CLASSES)}}}
  corruptions: {{generate: from clean}}
  shifts:
{_SHIFT_LINES}
  mixed_same: {{reader: folder, path: mixed_same, expected: {MIXED_PER_CLASS * len(CLASSES)}}}
  mixed_rand: {{reader: folder, path: mixed_rand, expected: {MIXED_PER_CLASS * len(CLASSES)}}}
  cue_conflict: {{reader: cue-conflict, path: cue_conflict, expected: {CUE_IMAGES}}}
"""


@dataclass(frozen=True, slots=True)
class PictureSpec:
    """Factors of one image; see `rendition`.

    Attributes:
        path: relative to the suite's folder.
        seed: of the family of images.
        index: of the image in its family.
        shape: class of the shape, which is the label.
        texture: class of the texture.
        background: class of the background; None for plain grey.
        style: of the drawing.
    """

    path: str
    seed: int
    index: int
    shape: str
    texture: str
    background: str | None
    style: Style = "natural"


def pictures() -> Iterator[PictureSpec]:
    """Yield all images of the suite.

    In `clean` and the shifts, about 19 of 20 objects have the texture of their class, and 19 of 20 its
    background. `mixed_same` and `mixed_rand` show the same objects in their own texture, on a background of
    their own class and of another. `cue_conflict` shows each shape in the textures of all other classes, on
    grey.
    """
    for family, (folder, style, per_class) in enumerate(_NATURAL_SETS):
        for k, shape in enumerate(CLASSES):
            for i in range(per_class):
                other = _other(k, i)
                texture = other if i % 20 == 3 else shape
                background = other if i % 20 == 7 else shape
                path = f"{folder}/{shape}/{i:03}.png"
                yield PictureSpec(path, SEED + family, k * 1000 + i, shape, texture, background, style)
    for k, shape in enumerate(CLASSES):
        for i in range(MIXED_PER_CLASS):
            name = f"{shape}/{i:03}.png"
            seed = SEED + 50
            index = k * 1000 + i
            yield PictureSpec(f"mixed_same/{name}", seed, index, shape, shape, shape)
            yield PictureSpec(f"mixed_rand/{name}", seed, index, shape, shape, _other(k, i))
    for k, shape in enumerate(CLASSES):
        for j, texture in enumerate(CLASSES):
            for i in range(1, CUES_PER_PAIR + 1) if j != k else ():
                path = f"cue_conflict/{shape}{i}-{texture}{i}.png"
                yield PictureSpec(path, SEED + 60, (k * 100 + j) * 10 + i, shape, texture, None)


def is_drawn(store: Path) -> bool:
    """Return True if the store holds the images, False also if it cannot be read."""
    try:
        return (store / "demo" / _version()).is_dir()
    except OSError:
        return False


def demo_root(store: Path) -> Path:
    """Return the folder of the demo suite, drawn now if it is missing.

    It is in `STORE/demo/`, named by a digest of the drawing code, so that each version draws its own. Drawing
    is atomic, also with several processes.

    Args:
        store: folder of the prediction store.

    Returns:
        The data folder, with a `quba-data.yaml` in it.

    Raises:
        StoreError: the store cannot be written.
    """
    home = store / "demo"
    root = home / _version()
    try:
        if not root.is_dir():
            home.mkdir(parents=True, exist_ok=True)
            with FileLock(home / f"{root.name}.lock"):
                if not root.is_dir():
                    _draw(root)
    except OSError as why:
        raise StoreError(
            f"the demonstration images cannot be written ({why.strerror or why})",
            where=f"{home}",
            allowed="a store folder that can be written (--quba-store)",
        ) from why
    return root


def _draw(root: Path) -> None:
    with replacing(root) as aside:
        for picture in pictures():
            path = aside / picture.path
            path.parent.mkdir(parents=True, exist_ok=True)
            image = rendition(
                picture.seed, picture.index, picture.shape, picture.texture, picture.background, picture.style
            ).image
            Image.fromarray(image).save(path, compress_level=1)
        (aside / "quba-data.yaml").write_text(MANIFEST, encoding="utf-8")


def _other(k: int, i: int) -> str:
    """Return a class other than the k-th; each is equally frequent over i."""
    return CLASSES[(k + 1 + i % (len(CLASSES) - 1)) % len(CLASSES)]


def _version() -> str:
    """Return a digest of the code that draws the suite."""
    here = Path(__file__).parent
    digest = hashlib.blake2b(digest_size=8)
    for name in ("__init__", "shapes", "surfaces", "renditions", "suite"):
        # Line endings differ between checkouts of the same code.
        digest.update((here / f"{name}.py").read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()
