"""Images are prepared for zero-shot models bit for bit as open_clip does it, on a real photo."""

import pytest

pytest.importorskip("open_clip")

import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from quba_check.models.preprocessing.preprocessing import Preprocessing
from quba_check.models.zero_shot.loading import PADDING, config_of_open_clip

CONFIGS = {
    "CLIP": {},
    "squashed, as SigLIP": {"resize_mode": "squash", "mean": (0.5,) * 3, "std": (0.5,) * 3},
    "bilinear, as MobileCLIP": {
        "size": 256,
        "interpolation": "bilinear",
        "mean": (0.0,) * 3,
        "std": (1.0,) * 3,
    },
    "oblong": {"size": (160, 224), "interpolation": "bilinear"},
    "oblong and squashed": {"size": (160, 224), "interpolation": "bilinear", "resize_mode": "squash"},
}


def prepared(config: PreprocessCfg) -> tuple[Preprocessing, tuple[str, ...]]:
    values, notes = config_of_open_clip(vars(config))
    assert values.pop("outputs") == "logits"
    return Preprocessing(**values, source="open_clip"), notes


@pytest.mark.parametrize("which", CONFIGS)
def test_the_preprocessing_is_open_clips_own(photo_suite, which):
    config = PreprocessCfg(**CONFIGS[which])
    preprocessing, notes = prepared(config)
    theirs = image_transform_v2(config, is_train=False)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (config.mean, config.std))
    for path in sorted((photo_suite / "photos").iterdir())[:3]:
        photo = Image.open(path).convert("RGB")
        ours = preprocessing.transform(crop=True)(photo).float().div(255).sub(mean).div(std)
        assert torch.equal(ours, theirs(photo))
    assert notes == ()


def test_padding_in_another_colour_is_noted(photo_suite):
    config = PreprocessCfg(resize_mode="longest")
    preprocessing, notes = prepared(config)
    assert notes == (PADDING,)
    photo = Image.open(min((photo_suite / "photos").iterdir())).convert("RGB").resize((400, 200))
    ours = preprocessing.transform(crop=True)(photo).float().div(255)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (config.mean, config.std))
    theirs = image_transform_v2(config, is_train=False)(photo).mul(std).add(mean)
    torch.testing.assert_close(ours[:, 56:168], theirs[:, 56:168])
    assert float(theirs[:, :56].max()) < 1e-6
    assert ours[:, :56].amin() > 0.4
