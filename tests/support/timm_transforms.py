"""timm's own evaluation transform to compare with."""

from dataclasses import asdict
from typing import Any

from timm.data import create_transform
from timm.data.transforms import str_to_interp_mode
from torchvision import transforms

from quba_check.models.preprocessing.preprocessing import Preprocessing


def timm_transform(preprocessing: Preprocessing, *, crop: bool = True, normalize: bool = False) -> Any:
    """Return the transform, by default without scaling to [0, 1] and normalisation."""
    if crop:
        settings = asdict(preprocessing)
        del settings["source"], settings["temperature"], settings["pipeline"]
        return create_transform(**settings, is_training=False, normalize=normalize)
    resize = transforms.Resize(preprocessing.input_size[1:], str_to_interp_mode(preprocessing.interpolation))
    return transforms.Compose([resize, transforms.PILToTensor()])
