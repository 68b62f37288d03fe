"""A tiny suite with every set, and tiny networks that count their passes: for tests of whole paths."""

import shutil
import textwrap
from pathlib import Path

import numpy as np
from PIL import Image

from quba_check.core.view import CORRUPTIONS, SEVERITIES

CLASSES = ("apple", "brick", "cloud")
SHIFTS = ("sketch", "night")
SIDE = 8
PER_CLASS = 3
MANIFEST = f"""\
schema: 1
name: tiny
classes: [{", ".join(CLASSES)}]
image_size: {SIDE}
sets:
  clean: {{reader: folder, path: val, expected: {PER_CLASS * len(CLASSES)}}}
  corruptions: {{reader: folder, path: c, prepared: true}}
  shifts:
    sketch: {{reader: folder, path: sketch}}
    night: {{reader: folder, path: night}}
  mixed_same: {{reader: folder, path: mixed_same}}
  mixed_rand: {{reader: folder, path: mixed_rand}}
  cue_conflict: {{reader: cue-conflict, path: cc}}
"""
MODELS = '''\
"""Networks that count the images of their forward and backward passes."""

from pathlib import Path

import torch
from torch import nn

COUNTS = {"forward": 0, "backward": 0}
CONFIG = {
    "input_size": (3, 8, 8), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "interpolation": "bilinear",
    "crop_pct": 1.0,
}


class Counted(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        COUNTS["forward"] += len(x)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        COUNTS["backward"] += len(gradient)
        return gradient


class Net(nn.Module):
    quba_config = CONFIG

    def __init__(self, classes=3, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(classes, 12, generator=generator))
        self.head = nn.Identity()

    def forward(self, x):
        x = Counted.apply(x)
        return self.head(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1) @ self.weight.T)


def net():
    return Net()


def other():
    return Net(seed=1)


def quantised():
    made = Net().eval()
    torch.manual_seed(0)
    made.head = nn.Linear(3, 3)
    return torch.ao.quantization.quantize_dynamic(made, {nn.Linear})


def four_classes():
    return Net(classes=4)


def probabilities():
    made = Net()
    made.head = nn.Softmax(dim=1)
    return made


def sigmoids():
    made = Net()
    made.head = nn.Sigmoid()
    return made


class Reds(nn.Module):
    """Twelve times the red values of the first pixels of a 2 x 2 image."""

    quba_config = CONFIG | {"input_size": (3, 2, 2), "mean": (0, 0, 0), "std": (1, 1, 1)}

    def __init__(self, classes):
        super().__init__()
        self.classes = classes
        self.scale = nn.Parameter(torch.tensor(12.0))

    def forward(self, x):
        return x[:, 0].flatten(1)[:, : self.classes] * self.scale


def three_reds():
    return Reds(3)


def four_reds():
    return Reds(4)


class Convolution(Net):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return super().forward(self.conv(x))


class Uncounted(Convolution):
    """Counts no passes, so that all its operations are those of torch."""

    def forward(self, x):
        return nn.functional.adaptive_avg_pool2d(self.conv(x), 2).flatten(1) @ self.weight.T


class Dim(Uncounted):
    """Gives NaN for bright images in torch; the ReLU of OpenVINO makes 0 of NaN."""

    def forward(self, x):
        shade = (0.5 - x.mean(dim=(1, 2, 3))).sqrt()
        return super().forward(torch.relu((x + 1) * shade[:, None, None, None]))


class ReadsFile(Net):
    """Its answers depend on a file that nothing declares."""

    def forward(self, x):
        z = super().forward(x)
        words = Path(__file__).with_suffix(".txt").read_text().split()
        if "turned" in words:
            z = z.roll(1, dims=1)
        if "probabilities" in words:
            return z.softmax(dim=1)
        if "random" in words:
            return z + torch.rand(1)
        if "noisy" in words:
            return z + torch.randn(z.shape)
        return z * (1 + float(words[0]) if words and words[0][0].isdigit() else 1)


class NoWayBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("derivative is not implemented")


class Leaving(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise SystemExit(0)


class Stated(Net):
    quba_config = CONFIG | {"outputs": "probabilities"}


def stated_falsely():
    return Stated()


def stated_with_four_classes():
    return Stated(classes=4)


class Broken(Net):
    def __init__(self, what):
        super().__init__()
        self.what = what
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        z = super().forward(x)
        if self.what == "not finite":
            return z * float("nan")
        if self.what == "not a table":
            return z[:, :, None]
        if self.what == "a dict":
            return {"scores": z}
        if self.what == "no gradient":
            return z.detach()
        if self.what == "no way back":
            return NoWayBack.apply(z)
        if self.what == "an end on the way back":
            return Leaving.apply(z)
        if self.what == "no memory":
            raise MemoryError
        if self.what == "a cached table":
            if not hasattr(self, "cache"):
                self.cache = z.new_ones(1)
            return z * self.cache
        if self.what == "in train mode":
            self.head.training = True
        if self.what == "a buffer that counts":
            self.seen += 1
        if self.what == "a buffer that counts in secret":
            self.seen.data += 1
        return z


for _what in (
    "not finite", "not a table", "a dict", "no gradient", "no way back", "an end on the way back",
    "no memory", "a cached table", "in train mode", "a buffer that counts", "a buffer that counts in secret",
):
    globals()[_what.replace(" ", "_")] = lambda what=_what: Broken(what)
'''


def write_manifest(root: Path, sets: str, more: str = "") -> Path:
    """Write a manifest of the tiny classes with these sets; return the folder."""
    root.mkdir(parents=True, exist_ok=True)
    start = f"schema: 1\nname: tiny\nclasses: [{', '.join(CLASSES)}]\nimage_size: {SIDE}\nsets:\n"
    (root / "quba-data.yaml").write_text(f"{start}{textwrap.indent(sets, '  ')}\n{more}", encoding="utf-8")
    return root


def picture(seed: int, *, like: int = 0) -> np.ndarray:
    """A random picture whose brightness depends a little on its class."""
    rng = np.random.default_rng([seed, like])
    base = np.array([[200, 60, 60], [90, 180, 70], [70, 90, 190]])[like]
    return np.clip(base + rng.normal(0, 60, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def write_pictures(folder: Path, start: int, per_class: int = 1) -> None:
    """Class folders of PNG pictures."""
    for k, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            Image.fromarray(picture(start + number, like=k)).save(folder / name / f"{number:03d}.png")


def write_suite(root: Path, per_class: int = PER_CLASS) -> Path:
    """The whole tiny suite with its manifest."""
    write_pictures(root / "val", 0, per_class)
    for number, corruption in enumerate(CORRUPTIONS):
        for severity in SEVERITIES:
            write_pictures(root / "c" / corruption / str(severity), 1000 + 10 * number + severity)
    for number, name in enumerate((*SHIFTS, "mixed_same", "mixed_rand")):
        write_pictures(root / name, 3000 + 10 * number, 2)
    (root / "cc").mkdir()
    for shape in range(3):
        for texture in range(3):
            name = f"{CLASSES[shape]}1-{CLASSES[texture]}2.png"
            Image.fromarray(picture(shape, like=texture)).save(root / "cc" / name)
    (root / "quba-data.yaml").write_text(MANIFEST, encoding="utf-8")
    return root


def copy_suite(suite: Path, root: Path) -> Path:
    """Copy the tiny suite for a test that changes it. Its corruptions, most of its files, are a link."""
    shutil.copytree(suite, root, ignore=shutil.ignore_patterns("c"))
    (root / "c").symlink_to(suite / "c")
    return root


def write_models(folder: Path, name: str = "tiny_models") -> Path:
    """The module of counting networks, importable from `folder`."""
    path = folder / f"{name}.py"
    path.write_text(textwrap.dedent(MODELS), encoding="utf-8")
    return path
