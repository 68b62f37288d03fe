"""Misclassified clean images of stored runs."""

from dataclasses import replace

import numpy as np
import pytest
from support.errors import error_text
from support.runs_compared import CLASSES, stored

from quba_check.comparison.misclassified import Failure, failures, failures_csv, flips_csv
from quba_check.comparison.stored_run import StoredRun
from quba_check.core.predictions import Predictions
from quba_check.errors import UserError
from quba_check.records.per_image import CleanAnswers, PerImage

STOPPED = {"images": 512, "of": 10_000, "passes": True, "alpha": 0.05}


def predictions(probability: list[list[float]], label: list[int], index: list[int]) -> Predictions:
    p = np.array(probability, np.float32)
    top1 = p.argmax(axis=1)
    truth = np.array(label)
    rows = np.arange(len(p))
    return Predictions(np.array(index), truth, top1, p[rows, top1], p[rows, truth])


def with_answers(answers: CleanAnswers) -> StoredRun:
    return StoredRun("a.json", stored("a.json", [0, 1, 2]).record, PerImage({}, answers))


def test_the_highest_loss_first() -> None:
    table = predictions(
        [[0.5, 0.3, 0.2], [0.7, 0.1, 0.2], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]], [0, 1, 2, 0], [3, 5, 8, 9]
    )
    answers = CleanAnswers.of(table, ["a.png", "=b.png", "c.png", "d.png"], CLASSES)
    found = failures(with_answers(answers))
    assert [failure.index for failure in found] == [8, 5, 9]
    assert found[1] == Failure(
        5, "=b.png", "bee", "ape", pytest.approx(0.7), pytest.approx(-np.log(0.1), rel=1e-6)
    )
    assert found[0].loss == pytest.approx(103.28, abs=0.01)  # of the smallest float32 instead of 0
    assert failures_csv(found) == (
        "index,path,label,predicted,confidence,loss\n"
        "8,c.png,cat,bee,1.0,103.279\n"
        "5,'=b.png,bee,ape,0.7,2.30259\n"
        "9,d.png,ape,cat,0.5,1.38629\n"
    )


def test_another_right_answer_is_no_failure_and_no_flip() -> None:
    table = predictions([[0.6, 0.4, 0.0], [0.4, 0.6, 0.0]], [0, 0], [0, 1])
    other = predictions([[0.4, 0.6, 0.0], [0.0, 0.4, 0.6]], [0, 0], [0, 1])
    right = np.array([[0, 1], [0, 1]])
    runs = [
        with_answers(CleanAnswers.of(replace(one, acceptable=right), ["a.png", "b.png"], CLASSES))
        for one in (table, other)
    ]
    suite = runs[0].record.suite.model_copy(update={"contents": {"clean": "same"}})
    runs = [replace(run, record=run.record.model_copy(update={"suite": suite})) for run in runs]
    assert failures(runs[0]) == []
    assert [failure.label for failure in failures(runs[1], runs[0])] == ["ape"]
    text, flipped = flips_csv(*runs)
    assert (flipped, text.splitlines()[1]) == (1, "b.png,lost,ape,bee,cat")


def test_a_file_of_an_earlier_version_has_empty_cells() -> None:
    text = failures_csv(failures(stored("a.json", [1, 1, 0])))
    assert text == (
        "index,path,label,predicted,confidence,loss\n0,ape/0.png,ape,bee,,\n2,cat/2.png,cat,ape,,\n"
    )
    limited = failures_csv(failures(stored("a.json", [1, 1, 0], limit=3)))
    assert limited.splitlines()[1:] == [",ape/0.png,ape,bee,,", ",cat/2.png,cat,ape,,"]


def test_nothing_is_wrong() -> None:
    assert failures_csv(failures(stored("a.json", [0, 1, 2]))) == (
        "index,path,label,predicted,confidence,loss\n"
    )


def test_answers_that_are_not_stored() -> None:
    assert error_text(UserError, failures, stored("a.json", [0, 1, 2], images=False)) == (
        "a.json: its predictions on clean images are neither next to it nor in the store. Allowed: a "
        "record with its predictions next to it, of a run that measured the clean set."
    )


def test_a_run_that_did_not_look_at_the_clean_set() -> None:
    suite = {"name": "x", "root": "/", "fingerprint": "1", "sets": {"cue_conflict": {"images": 3}}}
    run = replace(stored("a.json", [0, 1, 2], suite=suite), images=PerImage())
    assert error_text(UserError, failures, run) == (
        "a.json: its run did not measure the clean set, only cue_conflict. Allowed: a record of a run "
        "that measured accuracy or another dimension of clean images."
    )


def test_flips_are_no_formulas_either() -> None:
    names = ["=1.png", "@2.png", "3.png"]
    text, _ = flips_csv(stored("a.json", [1, 1, 2], names=names), stored("b.json", [0, 2, 2], names=names))
    assert text == "image,kind,label,before,after\n'=1.png,gained,ape,bee,ape\n'@2.png,lost,bee,bee,cat\n"
