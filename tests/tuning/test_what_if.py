import math

import numpy as np
import pytest
from support.errors import error_text
from support.gate import thresholds
from support.tuned import quantity, record

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.errors import ThresholdError
from quba_check.records.per_image import PerImage
from quba_check.records.predictions import PredictionsRow, merged, predictions_row
from quba_check.storage.shard import Origin
from quba_check.tuning.what_if import what_if
from quba_check.verdicts.explanation import explanation


def judged(text, run=None, baseline=None):
    return what_if(StoredRun("a.json", run or record()), thresholds(text), baseline)


def outcomes(text, run=None, baseline=None):
    return [verdict.outcome for verdict in judged(text, run, baseline).verdicts]


def test_values_parts_and_limits_are_the_records():
    text = "dimensions: {accuracy: {min: 0.85}, corruption_robustness: {min: 0.6, parts: {fog: {min: 0.7}}}}"
    assert outcomes(text) == ["pass", "pass", "fail"]


@pytest.mark.parametrize(
    ("policy", "outcome"), [("point", "pass"), ("fail", "uncertain"), ("allow", "uncertain")]
)
def test_policies_hold_for_stored_runs_too(policy, outcome):
    assert outcomes(f"uncertain: {policy}\ndimensions: {{accuracy: {{min: 0.895}}}}") == [outcome]


VALUES = {name: quantity(0.5, None, "fraction", parts={}) for name in PUBLISHED_DIMENSIONS}
ATTACKED = quantity(0.95, 0.01, "ratio", parts={}, masked=["FGSM helps the model"])
INFINITE = record().measurements["accuracy"].model_copy(update={"value": math.inf})
OTHER_SUITE = "quba: {min_grade: F, allow_other_suite: true}"


@pytest.mark.parametrize(
    ("text", "measurements", "reason"),
    [
        ("dimensions: {shape_bias: {min: 0.1}}", {}, "this run did not measure it"),
        (
            *("dimensions: {corruption_robustness: {parts: {snow: {min: 0.7}}}}", {}),
            "this run did not measure 'snow'; of corruption_robustness it measured: fog",
        ),
        (
            *("quba: {min_grade: C}", {}),
            "not graded: missing adversarial_robustness, ood_robustness, class_balance, object_focus, "
            "shape_bias",
        ),
        (
            *("quba: {min_score: 0}", {"accuracy": INFINITE}),
            "values: accuracy cannot be scored, got inf. Allowed: a finite number.",
        ),
        (
            *(OTHER_SUITE, VALUES | {"adversarial_robustness": ATTACKED}),
            "not graded: no evidence of robustness: adversarial_robustness is masked (FGSM helps the model)",
        ),
        (
            *("quba: {min_score: -100}", VALUES),
            "not graded: published was measured on imagenet, this run on tiny. Allowed: a population of this "
            "suite (quba-check published population), or allow_other_suite: true",
        ),
    ],
)
def test_reasons_for_no_value(text, measurements, reason):
    found = judged(text, record(measurements={**record().measurements, **measurements}))
    (verdict,) = found.verdicts
    assert (verdict.outcome, verdict.value, verdict.reason) == ("unmeasurable", None, reason)
    assert found.record.overall_verdict == "fail"


def test_a_grade_of_generated_corruptions_has_a_note():
    sets = {"corruptions": {"images": 75, "generated": "generated@64"}}
    run = record(suite={"name": "imagenet", "root": "/data", "fingerprint": "1" * 32, "sets": sets})
    missing = "adversarial_robustness, ood_robustness, class_balance, object_focus, shape_bias"
    settings = f"allow_missing: [{missing}], allow_other_suite: true"
    (verdict,) = judged(f"quba: {{min_score: 9, {settings}}}", run).verdicts
    assert (
        "generated corruptions: corruption_robustness is compared with values from the stored ImageNet-C"
        in explanation(verdict).text
    )


def test_a_masked_value_is_no_evidence():
    run = record(measurements={"adversarial_robustness": ATTACKED})
    text = "dimensions: {adversarial_robustness: {min: 0.5KEY}}"
    (verdict,) = judged(text.replace("KEY", ""), run).verdicts
    assert (verdict.outcome, verdict.reason) == ("fail", "no evidence of robustness: FGSM helps the model")
    assert outcomes(text.replace("KEY", ", allow_masked: true"), run) == ["pass"]
    assert judged(text.replace("KEY", ", tier: warn"), run).record.overall_verdict == "pass"


def test_warnings_do_not_stand_in_the_way():
    assert judged("dimensions: {accuracy: {min: 0.99, tier: warn}}").record.overall_verdict == "pass"
    assert judged("dimensions: {accuracy: {min: 0.99}}").record.overall_verdict == "fail"


def test_another_protocol_is_refused():
    text = "protocol: released\ndimensions: {accuracy: {min: 0.9}}"
    assert error_text(ThresholdError, judged, text) == (
        "x.yaml: states protocol released, but the values of r50 are of protocol standard. "
        "Allowed: a file that states standard, or no protocol."
    )


DROPS = (
    "dimensions: {accuracy: {max_drop: 0.01, max_relative_drop: 3%}, "
    "corruption_robustness: {parts: {fog: {max_drop: 0.1}}}}"
)


def test_drops_are_counted_from_the_baseline():
    """accuracy 0.9 after 0.92: 0.02 lost, which is 2.2 % of it."""
    baseline = StoredRun("old.json", record(0.92))
    assert outcomes(DROPS, baseline=baseline) == ["fail", "pass", "pass"]
    first = explanation(judged(DROPS, baseline=baseline).verdicts[0]).text.splitlines()
    assert first[:2] == [
        "accuracy drop 0.0200 is above 0.0100 (over by 0.0100)",
        "  from 0.920 in old.json to 0.900, unpaired",
    ]


def test_answers_at_other_thresholds_of_classes():
    """Neither a value nor a baseline at other thresholds is evidence."""
    text = "answers: {at: {probability: {default: 0.3}}, share: {min: 0.7, max_drop: 0.1}}"
    names = thresholds(text).demands[0].request.levels

    def run(level):
        part = "share@probability=per_class"
        row = quantity(0.1, 0.01, "fraction", parts={part: quantity(0.8, 0.01, "fraction", better="high")})
        return record(measurements={"answers": row | {"levels": {part: dict.fromkeys(names, level)}}})

    assert outcomes(text, run(0.3), StoredRun("b.json", run(0.3))) == ["pass", "pass"]
    assert [one.reason for one in judged(text, run(0.3), StoredRun("b.json", run(0.5))).verdicts] == [
        "",
        "b.json cannot be its baseline: it differs in probabilities of classes. Allowed: a record of the "
        "same protocol, images and classes",
    ]
    reason = "answers.share@probability=per_class was not measured with these probabilities of classes"
    unknown = run(0.3).measurements["answers"].model_copy(update={"levels": {}})
    for other in run(0.5), record(measurements={"answers": unknown}):
        verdicts = judged(text, other, StoredRun("b.json", run(0.3))).verdicts
        assert [one.reason for one in verdicts] == [f"{reason}. Run the gate with this file"] * 2


def test_a_stated_baseline_that_is_missing_blocks_optional_drops():
    """Its name may be misspelt."""
    text = "baseline: relaese\ndimensions: {accuracy: {max_drop: 0.1, optional: true}}"
    verdict = judged(text).verdicts[0]
    assert (verdict.outcome, verdict.reason) == (
        "unmeasurable",
        "there is no approved record of the baseline relaese. Approve one with 'quba-check approve'",
    )
    assert outcomes(text.partition("\n")[2]) == ["skipped"]


def test_a_baseline_of_another_protocol():
    (verdict, *_) = judged(DROPS, baseline=StoredRun("old.json", record(protocol="released"))).verdicts
    assert verdict.reason == (
        "old.json cannot be its baseline: it differs in protocol (released and standard). "
        "Allowed: a record of the same protocol, images and classes"
    )


def test_a_score_is_as_sure_as_the_answers_that_are_there():
    """By the value it passes; with per-image results the bound is inside its interval."""
    missing = "adversarial_robustness, ood_robustness, class_balance, object_focus, shape_bias"
    settings = f"allow_missing: [{missing}], allow_other_suite: true"
    text = f"uncertain: fail\nquba: {{min_score: MIN, {settings}}}"
    (free,) = judged(text.replace("MIN", "-9")).verdicts
    noise = np.random.default_rng(0).standard_normal(1000)
    images = PerImage(
        {
            name: {"clean": scale * noise}
            for name, scale in (("accuracy", 0.3), ("corruption_robustness", 0.6), ("calibration_error", 0.1))
        }
    )
    close = text.replace("MIN", f"{free.value - 0.01:.4f}")
    for found, outcome in ((None, "pass"), (images, "uncertain")):
        run = StoredRun("a.json", record(), found)
        (verdict,) = what_if(run, thresholds(close)).verdicts
        assert verdict.outcome == outcome


FRESH = "predictions: fresh\ndimensions: {accuracy: {min: 0.85}}"


def test_a_file_that_needs_fresh_answers_refuses_others():
    row = merged([PredictionsRow(made_here=256), predictions_row(Origin(), 44, "2026")])
    hint = "Run the gate again, with this file or with --quba-fresh."
    assert error_text(ThresholdError, judged, FRESH, record().model_copy(update={"predictions": row})) == (
        f"x.yaml: predictions: fresh: got 300 answers, 44 of them reused (unknown origin). {hint}"
    )
    assert error_text(ThresholdError, judged, FRESH) == (
        f"x.yaml: predictions: fresh: got a record of r50 without the origin of its answers. {hint}"
    )
    new = record().model_copy(update={"predictions": PredictionsRow(made_here=300)})
    assert outcomes(FRESH, new) == ["pass"]
