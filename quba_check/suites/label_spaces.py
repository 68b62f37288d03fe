"""Built-in label spaces: ImageNet's own classes and three coarser ones."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from ruamel.yaml import YAML

from quba_check.core.classes import LabelSpace
from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList

IMAGENET = "imagenet"
IMAGENET_CLASS_COUNT = 1000
IMAGENET_R = "imagenet_r"
BUILT_IN_SPACES = ("imagenet_to_16", "imagenet_to_in9", IMAGENET_R)
_SPACES_FILE = Path(__file__).with_name("label_spaces.yaml")


@cache
def imagenet_classes() -> tuple[str, ...]:
    """Return the 1,000 synsets of ILSVRC 2012 in the usual order, from timm's list."""
    return _timm_list("imagenet_synsets.txt")


@cache
def imagenet_list() -> ClassList:
    """Return those synsets with readable names from timm's list, in which commas separate synonyms.

    >>> imagenet_list().titles[:2]
    ('tench, Tinca tinca', 'goldfish, Carassius auratus')
    """
    titles = dict(line.split("\t", 1) for line in _timm_list("imagenet_synset_to_lemma.txt"))
    return ClassList(imagenet_classes(), tuple(titles[synset] for synset in imagenet_classes()))


@cache
def built_in_space(name: str) -> LabelSpace:
    """Return a built-in label space over the 1,000 ImageNet classes.

    Args:
        name: `imagenet_to_16`: the categories of model-vs-human (Geirhos et al.), by mean probability;
            `imagenet_to_in9`: the classes of ImageNet-9 (Xiao et al.), by mapping the top-1 class;
            `imagenet_r`: the 200 classes of ImageNet-R (Hendrycks et al.), by the best of them.

    >>> built_in_space("imagenet_to_16").classes[:3]
    ('airplane', 'bear', 'bicycle')
    >>> built_in_space("imagenet_to_in9").class_of()[0]
    8
    """
    if name == IMAGENET_R:
        position = {synset: k for k, synset in enumerate(imagenet_classes())}
        synsets = _timm_list("imagenet_r_synsets.txt")
        return LabelSpace(name, synsets, tuple((position[synset],) for synset in synsets), "argmax")
    entry = YAML(typ="safe", pure=True).load(_SPACES_FILE.read_text(encoding="utf-8"))[name]
    classes: dict[str, int | str] = entry["classes"]
    members = tuple(_numbers(str(text)) for text in classes.values())
    return LabelSpace(name, tuple(classes), members, entry["by"])


def _numbers(text: str) -> tuple[int, ...]:
    """Parse numbers and ranges, such as `385-386 444`."""
    ends = (part.partition("-") for part in text.split())
    return tuple(k for first, _, last in ends for k in range(int(first), int(last or first) + 1))


def _timm_list(file: str) -> tuple[str, ...]:
    """Return the lines of one of timm's lists, without importing timm, which would load torch."""
    spec = find_spec("timm")
    if spec is None or spec.origin is None:
        raise SuiteError(f"timm is not installed: its list {file} names the ImageNet classes.")
    path = Path(spec.origin).parent / "data" / "_info" / file
    return tuple(path.read_text(encoding="utf-8").splitlines())
