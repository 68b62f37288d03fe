import math
import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.loaded_models import message
from support.no_float64 import WithoutFloat64

from quba_check.core.classes import Head
from quba_check.models.outputs import check_finite, check_outputs, output_kind, to_logits

NORMAL = torch.randn(64, 10, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (NORMAL, "logits"),
        (NORMAL.log_softmax(1), "logits"),
        (NORMAL.softmax(1), "probabilities"),
        (NORMAL.sigmoid(), "sigmoids"),
        (F.one_hot(torch.arange(10)).float(), "probabilities"),
        (torch.full((4, 10), 0.5), "sigmoids"),
        (torch.zeros(4, 10), "sigmoids"),
        (NORMAL.softmax(1) * (1 + 5e-4), "probabilities"),  # sums within 1e-3
        (NORMAL.softmax(1) * 0.99, "sigmoids"),  # sums not within 1e-3
        (torch.tensor([[1.0000001, 0.0]]), "probabilities"),  # rounding
        (torch.tensor([[1.1, -0.1]]), "logits"),
        (torch.tensor([[0.6, 0.4], [0.5, 0.4]]), "sigmoids"),  # one row is enough
        (torch.tensor([[0.6, 0.4], [0.5, 1.5]]), "logits"),
    ],
)
def test_kind(raw, kind):
    assert output_kind(raw, half=False) == kind


def test_kind_on_a_device_without_float64():
    raw = NORMAL.softmax(1).as_subclass(WithoutFloat64).requires_grad_()
    assert output_kind(raw, half=False) == "probabilities"


def test_half_precision_sums_are_coarser():
    raw = torch.tensor([[0.5, 0.508]])
    assert output_kind(raw, half=False) == "sigmoids"
    assert output_kind(raw, half=True) == "probabilities"
    assert output_kind(torch.tensor([[0.5, 0.52]]), half=True) == "sigmoids"
    many = torch.randn(32, 1000, generator=torch.Generator().manual_seed(0)).softmax(1)
    assert output_kind(many.bfloat16().float(), half=True) == "probabilities"


@settings(deadline=None, derandomize=True)
@given(st.integers(2, 300), st.sampled_from([127, 255, 256]), st.floats(0.1, 20), st.integers(0, 999))
def test_a_quantised_softmax_is_no_row_of_sigmoids(classes, parts, spread, seed):
    p = (spread * torch.randn(16, classes, generator=torch.Generator().manual_seed(seed))).softmax(1)
    raw = (p * parts).round().clamp(max=255) / parts
    assert output_kind(raw, half=False, step=1 / parts) == "probabilities"


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ([254, 0, 0], "probabilities"),  # at most (3 + 1) / 2 steps below 1
        ([253, 0, 0], "sigmoids"),
        ([255, 2, 0], "probabilities"),  # two values above 0 are at most one step above 1
        ([255, 3, 0], "sigmoids"),
        ([128, 128, 1], "probabilities"),
        ([200, 200, 200], "sigmoids"),
    ],
)
def test_the_tolerance_of_quantised_rows(row, kind):
    assert output_kind(torch.tensor([row]) / 256, half=False, step=1 / 256) == kind


probabilities = hnp.arrays(np.float32, (5, 7), elements=st.floats(-30, 30, width=32)).map(
    lambda z: torch.from_numpy(z).softmax(1)
)


@settings(deadline=None, derandomize=True)
@given(probabilities)
def test_softmax_of_z_is_p(p):
    assert torch.allclose(to_logits(p, "probabilities").softmax(1), p, atol=1e-6)


def test_probability_zero_stays_zero_and_all_is_finite():
    p = torch.tensor([[0.0, 1.0, 0.0], [1e-30, 0.5, 0.5]], requires_grad=True)
    z = to_logits(p, "probabilities")
    assert z.isfinite().all()
    assert z.softmax(1)[0].tolist() == [0.0, 1.0, 0.0]
    F.cross_entropy(z, torch.tensor([0, 0])).backward()
    assert p.grad.isfinite().all()


def test_sigmoids_by_hand():
    z = to_logits(torch.tensor([[0.5, 0.9, 0.1]]), "sigmoids")
    assert z[0].tolist() == pytest.approx([0.0, math.log(9), -math.log(9)], abs=1e-6)


def test_sigmoids_at_the_ends_are_finite_and_ordered():
    s = torch.tensor([[0.0, 1e-20, 0.5, 1 - 1e-7, 1.0]], requires_grad=True)
    z = to_logits(s, "sigmoids")
    assert z.isfinite().all()
    assert (z.diff() > 0).all()
    z.sum().backward()
    assert s.grad.isfinite().all()


def test_logits_stay_and_become_float32():
    z = to_logits(NORMAL.half(), "logits")
    assert z.dtype == torch.float32
    assert torch.equal(z, NORMAL.half().float())


def test_check_outputs_gives_float32_and_keeps_the_graph():
    raw = NORMAL.double().requires_grad_()
    out = check_outputs(raw, batch=64, head=Head(10), spec="m.pt")
    assert out.dtype == torch.float32
    assert out.requires_grad


def quiet(call, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that some tensors will change
        return call(*args)


REFUSED = (
    (NORMAL[:4], NORMAL[:4]),
    {"logits": NORMAL[:4], "aux": NORMAL[:4]},
    None,
    {"a\n": 1, **dict.fromkeys(range(9), 1)},
    NORMAL[:4].to_sparse(),
    quiet(NORMAL[:4].to_sparse_csr),
    NORMAL[:4].to("meta"),
    quiet(torch.quantize_per_tensor, NORMAL[:4], 0.1, 0, torch.qint8),
    quiet(torch.nested.nested_tensor, list(NORMAL[:4])),
    NORMAL[:4].to(torch.complex64),
    torch.zeros(4, 10, dtype=torch.int64),
    *(torch.zeros(shape) for shape in [(4, 10, 7, 7), (10,), (2, 10), (4, 0), (4, 1000)]),
)


def test_messages(snapshot):
    texts = [message(check_outputs, raw, batch=4, head=Head(10), spec="m.pt") for raw in REFUSED]
    assert texts[2] == (
        "m.pt: the model does not return a tensor, got a value of type NoneType. "
        "Allowed: a floating-point tensor of shape (images, classes), here (4, 10)."
    )
    assert "\n".join(texts) == snapshot


def test_outputs_that_are_not_finite():
    raw = torch.tensor([[0.0] * 10, [math.nan] + [0.0] * 9, [math.inf] * 10, [1.0] * 10])
    assert message(check_finite, raw, spec="m.pt") == (
        "m.pt: the model's output is not finite, got NaN or infinity for 2 of 4 images."
    )
    finite = torch.zeros(2, 10)
    assert check_finite(finite, spec="m.pt") is finite
    large = torch.full((2, 3), 3e38)  # their sum is infinite
    assert check_finite(large, spec="m.pt") is large
    opposite = torch.tensor([[math.inf, -math.inf], [0.0, 1.0]])
    assert "for 1 of 2 images" in message(check_finite, opposite, spec="m.pt")
