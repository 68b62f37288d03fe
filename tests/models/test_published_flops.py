"""FLOPs are twice the GMACs that timm publishes, to 1 %.

`published_gmacs.csv` holds the columns `model`, `infer_img_size` and `infer_gmacs` of
`results/benchmark-infer-amp-nchw-pt291-cu128-4090.csv` in timm's repository (commit 90cae8c5), for names
chosen by a rule: of each module of timm's models the first name in alphabetical order with 5 GMACs or more,
at its smallest size there; then the second name of each, until 100 agree. `DIFFER` are all that do not, with
the reason.
"""

import csv
from pathlib import Path

import pytest
import timm
import torch
from support.loaded_models import of_module, prepared
from support.quick import mostly_slow
from torch import Tensor

from quba_check.models.classifier import Classifier
from quba_check.models.flops import count_flops

with Path(__file__).with_name("published_gmacs.csv").open(encoding="utf-8") as _file:
    PUBLISHED = {
        row["model"]: (int(row["img_size"]), float(row["infer_gmacs"])) for row in csv.DictReader(_file)
    }
NORMS = "fvcore counts norms too"
SAME = "fvcore misses padding='same'"
LSTM = "fvcore misses LSTMs"
DIFFER = {
    "convmixer_1024_20_ks9_p14": SAME,
    "convmixer_768_32": SAME,
    "dm_nfnet_f0": NORMS,
    "efficientnet_b5": NORMS,
    "mobilevitv2_150": NORMS,
    "rexnetr_300": NORMS,
    "sequencer2d_l": LSTM,
}
AGREE = sorted(PUBLISHED.keys() - DIFFER)
FAST = ("deit3_base_patch16_224", "vgg11", "xception41")


class OnMeta(Classifier):
    """A classifier without memory for weights and images."""

    def raw(self, inputs: Tensor, **settings: bool) -> Tensor:
        return self.module(inputs)


def gigaflops(name: str, side: int) -> float:
    with torch.device("meta"):
        try:
            module = timm.create_model(name, img_size=side)
        except TypeError:  # a network for images of every size
            module = timm.create_model(name)
    settings = {"preprocessing": prepared(input_size=(3, side, side)), "device": torch.device("meta")}
    return count_flops(of_module(module.requires_grad_(False), kind=OnMeta, **settings)) / 1e9


@pytest.mark.parametrize("name", mostly_slow(AGREE, FAST))
def test_names_that_agree(name: str) -> None:
    side, gmacs = PUBLISHED[name]
    assert gigaflops(name, side) == pytest.approx(2 * gmacs, rel=0.01)


def test_a_hundred_names_are_listed() -> None:
    assert len(AGREE) == 100
    assert set(FAST) <= set(AGREE)


@pytest.mark.slow
@pytest.mark.parametrize("name", DIFFER)
def test_names_that_differ(name: str) -> None:
    side, gmacs = PUBLISHED[name]
    ratio = gigaflops(name, side) / (2 * gmacs)
    assert 0.96 < ratio < 0.99 if DIFFER[name] is NORMS else ratio > 1.05
