from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.tiny import write_models, write_suite

from quba_check.core.view import CLEAN, View
from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite


@pytest.fixture
def patient(tmp_path, monkeypatch):
    monkeypatch.chdir(write_models(tmp_path, "patients_models").parent)
    suite = open_suite(write_suite(tmp_path / "data"))
    classifier = load_classifier(
        "patients_models:net", LoadRequest(classes=suite.classes, image_size=8, device="cpu")
    )
    return ModelUnderTest(classifier, suite)


def test_an_image_is_shown_once_for_each_way_of_showing_it(patient):
    examples = patient.sample()
    first = patient.raw(examples[:4])
    assert torch.equal(patient.raw(examples)[:4], first)
    assert patient.forwards == len(examples) == 9
    turned = patient.raw(examples, variant=replace(patient.usual, is_bgr=True))
    assert patient.forwards == 18
    assert not torch.equal(turned, patient.raw(examples))


def test_answers_are_those_that_are_measured(patient):
    examples = patient.suite.examples(CLEAN)
    prepare = patient.classifier.preprocessing.transform(crop=True)
    images = torch.stack([prepare(patient.suite.image(example)) for example in examples])
    expected = patient.classifier.raw(patient.classifier.normalise(images.float() / 255))
    assert torch.allclose(patient.raw(examples), expected, atol=1e-6)
    assert patient.outputs == "logits"
    assert patient.classifier.outputs is None


def test_a_variant_is_prepared_anew(patient):
    examples = patient.sample()
    preprocessing = replace(patient.classifier.preprocessing, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    shown = patient.raw(examples, variant=Variant(preprocessing))
    images = torch.stack(
        [preprocessing.transform(crop=True)(patient.suite.image(example)) for example in examples]
    )
    assert torch.allclose(shown, patient.classifier.raw(images.float() / 255), atol=1e-6)


def test_what_is_left_out_is_not_drawn(patient):
    out = patient.sample()[0]
    patient.leave_out(CLEAN, out)
    assert out not in patient.sample()
    assert len(patient.sample()) == 8


def test_it_knows_which_sets_are_there(patient):
    assert patient.has(View("night"))
    assert not patient.has(View("dawn"))


def test_inputs_are_what_the_model_is_shown(patient):
    examples = patient.sample(limit=4)
    with torch.no_grad():
        shown = patient.classifier.raw(patient.inputs(examples))
    assert torch.allclose(patient.raw(examples), shown, atol=1e-6)


def test_a_batch_that_does_not_fit_into_memory_is_shown_in_halves(patient, monkeypatch):
    examples = patient.sample()
    expected = patient.classifier.raw(patient.inputs(examples))
    sizes, module = [], patient.classifier.module

    def narrow(inputs):
        sizes.append(len(inputs))
        if len(inputs) > 3:
            raise torch.OutOfMemoryError
        return module(inputs)

    monkeypatch.setattr(patient.classifier, "raw", narrow)
    assert torch.allclose(patient.raw(examples), expected, atol=1e-6)
    assert sizes == [9, 5, 3, 2, 4, 2, 2]
