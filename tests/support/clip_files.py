"""Zero-shot models for tests: tiny open_clip models with random weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

VISION = {"image_size": 16, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
TEXT = {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
CLIP = {"embed_dim": 16, "vision_cfg": VISION, "text_cfg": TEXT}
SIGLIP = {
    "embed_dim": 16,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": VISION | {"pool_type": "avg"},
    "text_cfg": TEXT | {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"},
}
"""A model like SigLIP: another kind of text tower, and a bias of the logits."""
COCA = {
    "embed_dim": 16,
    "vision_cfg": VISION | {"attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
    "text_cfg": TEXT | {"embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    "custom_text": True,
}
CONFIGS = {"clip": CLIP, "siglip": SIGLIP, "coca": COCA}
HALVES = {
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "interpolation": "bicubic",
    "resize_mode": "squash",
}


def made(kind: str, seed: int = 0) -> Any:
    """The module, in eval mode."""
    open_clip = pytest.importorskip("open_clip")
    from open_clip.model import CustomTextCLIP

    config = {key: value for key, value in CONFIGS[kind].items() if key != "custom_text"}
    make = {"clip": open_clip.CLIP, "siglip": CustomTextCLIP, "coca": open_clip.CoCa}[kind]
    torch.manual_seed(seed)
    model = make(**config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def write_weights(model: Any, path: Path) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)
    return path


def write_folder(folder: Path, kind: str = "clip", seed: int = 0, **preprocess: Any) -> Any:
    """Write a folder for `open_clip:local-dir:`; return the module in it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": CONFIGS[kind], "preprocess_cfg": HALVES | preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    model = made(kind, seed)
    write_weights(model, folder / "open_clip_model.safetensors")
    return model
