from collections import Counter
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny import write_models

from quba_check.core.view import CLEAN, View
from quba_check.doctor.subject import ModelUnderTest, Variant, stratified
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite
from quba_check.suites.suite import Example


@pytest.fixture
def subject(tiny_data, tmp_path, monkeypatch):
    monkeypatch.chdir(write_models(tmp_path, "subjects_models").parent)
    suite = open_suite(tiny_data)
    classifier = load_classifier(
        "subjects_models:net", LoadRequest(classes=suite.classes, image_size=8, device="cpu")
    )
    return ModelUnderTest(classifier, suite)


def test_an_image_is_shown_once_for_each_variant(subject):
    examples = subject.sample()
    first = subject.raw(examples[:4])
    assert torch.equal(subject.raw(examples)[:4], first)
    assert subject.forwards == len(examples) == 9
    bgr = subject.raw(examples, variant=replace(subject.current, is_bgr=True))
    assert subject.forwards == 18
    assert not torch.equal(bgr, subject.raw(examples))


def test_answers_equal_those_of_a_measurement(subject):
    examples = subject.suite.examples(CLEAN)
    prepare = subject.classifier.preprocessing.transform(crop=True)
    images = torch.stack([prepare(subject.suite.image(example)) for example in examples])
    expected = subject.classifier.raw(subject.classifier.normalise(images.float() / 255))
    assert torch.allclose(subject.raw(examples), expected, atol=1e-6)
    assert subject.outputs == "logits"
    assert subject.classifier.outputs is None


def test_a_variant_has_its_own_preprocessing(subject):
    examples = subject.sample()
    preprocessing = replace(subject.classifier.preprocessing, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    raw = subject.raw(examples, variant=Variant(preprocessing))
    images = torch.stack(
        [preprocessing.transform(crop=True)(subject.suite.image(example)) for example in examples]
    )
    assert torch.allclose(raw, subject.classifier.raw(images.float() / 255), atol=1e-6)


def test_an_excluded_image_is_not_sampled(subject):
    first = subject.sample()[0]
    subject.exclude(CLEAN, first)
    assert first not in subject.sample()
    assert len(subject.sample()) == 8


def test_existing_sets_have_images(subject):
    assert subject.has_images(View("night"))
    assert not subject.has_images(View("dawn"))


def test_a_batch_too_large_for_memory_is_halved(subject, monkeypatch):
    examples = subject.sample()
    expected = subject.classifier.raw(subject.inputs(examples))
    sizes = []
    module = subject.classifier.module

    def narrow(inputs):
        sizes.append(len(inputs))
        if len(inputs) > 3:
            raise torch.OutOfMemoryError
        return module(inputs)

    monkeypatch.setattr(subject.classifier, "raw", narrow)
    assert torch.allclose(subject.raw(examples), expected, atol=1e-6)
    assert sizes == [9, 4, 2, 2, 2, 2, 1]


LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=40)


def examples(labels: list[int]) -> list[Example]:
    return [Example(index, f"{index}.png", label) for index, label in enumerate(labels)]


@given(labels=LABELS, limit=st.integers(1, 40), seed=st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_classes_take_turns(labels, limit, seed):
    sample = stratified(examples(labels), limit, seed)
    assert len(sample) == len(set(sample)) == min(limit, len(labels))
    counts = Counter(example.label for example in sample)
    available = Counter(labels)
    most = max(counts.values())
    assert all(counts[label] >= min(available[label], most - 1) for label in available)


@given(labels=LABELS, seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_a_shorter_sample_is_the_beginning_of_a_longer_one(labels, seed):
    whole = stratified(examples(labels), len(labels), seed)
    assert stratified(examples(labels), len(labels) // 2, seed) == whole[: len(labels) // 2]


def test_another_seed_gives_another_sample():
    many = examples([k % 5 for k in range(200)])
    assert stratified(many, 20, 0) == stratified(many, 20, 0) != stratified(many, 20, 1)
