"""The maps that come with the package, against counts and members that their authors publish."""

from pathlib import Path

import pytest
import timm.data
from timm.data import ImageNetInfo

from quba_check.suites.label_spaces import BUILT_IN_SPACES, built_in_space, imagenet_classes, imagenet_list

# Number of ImageNet classes of each model-vs-human category, and of each ImageNet-9 class.
PER_CATEGORY = {
    "airplane": 1, "bear": 4, "bicycle": 2, "bird": 49, "boat": 5, "bottle": 7, "car": 3, "cat": 6,
    "chair": 4, "clock": 3, "dog": 109, "elephant": 2, "keyboard": 2, "knife": 1, "oven": 1, "truck": 8,
}  # fmt: skip
PER_IN9_CLASS = {
    "dog": 116, "bird": 52, "wheeled vehicle": 42, "reptile": 36, "carnivore": 35, "insect": 27,
    "musical instrument": 26, "primate": 20, "fish": 16,
}  # fmt: skip


def test_imagenet_and_imagenet_r_have_the_classes_of_timm() -> None:
    info = ImageNetInfo("imagenet-1k")
    of_r = Path(timm.data.__file__).parent / "_info/imagenet_r_synsets.txt"
    rows = [(info.index_to_label_name(k), info.index_to_description(k)) for k in range(1000)]
    assert [*zip(imagenet_list().names, imagenet_list().titles, strict=True)] == rows
    assert [*built_in_space("imagenet_r").classes] == of_r.read_text(encoding="utf-8").split()


@pytest.mark.parametrize(
    ("name", "rule", "sizes"),
    [("imagenet_to_16", "mean", PER_CATEGORY), ("imagenet_to_in9", "map", PER_IN9_CLASS)],
)
def test_coarse_spaces_have_their_classes_in_order(name: str, rule: str, sizes: dict[str, int]) -> None:
    space = built_in_space(name)
    assert space.by == rule
    assert dict(zip(space.classes, map(len, space.members), strict=True)) == sizes
    assert list(space.classes) == list(sizes)


def test_imagenet_r_is_two_hundred_single_classes() -> None:
    space = built_in_space("imagenet_r")
    assert space.by == "argmax"
    own = imagenet_classes()
    assert all(space.classes[k] == own[member] for k, (member,) in enumerate(space.members))


@pytest.mark.parametrize("name", BUILT_IN_SPACES)
def test_no_imagenet_class_belongs_twice(name: str) -> None:
    members = [member for of_class in built_in_space(name).members for member in of_class]
    assert len(members) == len(set(members))
    assert set(members) <= set(range(1000))


@pytest.mark.parametrize(
    ("synset", "sixteen", "nine"),
    [
        ("n02099601", "dog", "dog"),  # golden retriever
        ("n02123045", "cat", None),  # tabby: in no class of ImageNet-9
        ("n02125311", "cat", "carnivore"),  # cougar
        ("n04285008", "car", "wheeled vehicle"),  # sports car
        ("n01440764", None, "fish"),  # tench
        ("n04254680", None, None),  # soccer ball
    ],
)
def test_known_classes_are_where_they_belong(synset: str, sixteen: str | None, nine: str | None) -> None:
    number = imagenet_classes().index(synset)
    for name, expected in (("imagenet_to_16", sixteen), ("imagenet_to_in9", nine)):
        space = built_in_space(name)
        label = space.class_of().get(number)
        assert (None if label is None else space.classes[label]) == expected
