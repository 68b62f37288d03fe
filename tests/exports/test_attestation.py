"""Statements: by hand, read by in-toto's own package, and hypothesis over verdicts."""

import hashlib
import json
from datetime import date

import google.protobuf.json_format as protobuf_json
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as ResultPredicate
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from support.errors import error_text
from support.rows import VERDICT
from support.tuned import record

from quba_check.errors import UserError
from quba_check.exports.attestation import checksums, statement
from quba_check.records.record import InputRow, Record, SetRow
from quba_check.records.verdict import VerdictRow, Waiver

WEIGHTS, CONFIG, FILE, DATA, RECORD, DEMANDS = (letter * 64 for letter in "abcdef")
FILES = {"net.pt": WEIGHTS, "config.json": CONFIG}


def verdict(name="accuracy", outcome="pass", tier="block", policy="point"):
    row = {"id": f"gate.yaml::{name}[min]", "dimension": name, "outcome": outcome, "tier": tier}
    return VerdictRow.model_validate(VERDICT | row | {"policy": policy})


def run(*verdicts, files=FILES, inputs=(), **changes) -> Record:
    base = record()
    changes |= {"verdicts": verdicts, "inputs": inputs, "unselected": changes.get("unselected", 0)}
    return base.model_copy(update={"model": base.model.model_copy(update={"files": files}), **changes})


def of(record: Record, **options):
    return statement(record, file="quba.json", digest=RECORD, **options)


def result_of(*verdicts, **changes):
    predicate = of(run(*verdicts, **changes))["predicate"]
    return predicate["result"], *(predicate[f"{kind}Tests"] for kind in ("passed", "warned", "failed"))


def test_by_hand():
    inputs = (
        InputRow(kind="threshold file", path="thresholds/gate.yaml", sha256=FILE, demands=DEMANDS),
        InputRow(kind="extended threshold file", path="/home/me/base.yaml", sha256=FILE),
        InputRow(kind="manifest", path="/home/me/data/quba-data.yaml", sha256=DATA),
        InputRow(kind="baseline", path="C:\\runs\\old.json", sha256=DATA),
    )
    suite = record().suite.model_copy(
        update={
            "contents": {"clean": "1" * 32, "corruptions/fog/1": "2" * 32, "corruptions/fog/2": "3" * 32},
            "sets": {"clean": SetRow(images=300, found=400), "corruptions": SetRow(images=600)},
        }
    )
    run_record = run(verdict(), verdict("shape_bias", "fail", "warn"), inputs=inputs, suite=suite, limit=300)
    images = [{"clean": "1" * 32}, {"corruptions/fog/1": "2" * 32, "corruptions/fog/2": "3" * 32}]
    clean, corruptions = (
        hashlib.sha256(json.dumps(contents, separators=(",", ":")).encode()).hexdigest()
        for contents in images
    )
    conditions = {"protocol": "standard", "seed": "0", "limit": "300", "unselected": "0"}
    conditions |= {"unmeasured": "shape_bias", "waived": "none", "predictions": "of unknown origin"}
    assert of(run_record, url="https://ci.example.org/7") == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": "net.pt", "digest": {"sha256": WEIGHTS}},
            {"name": "config.json", "digest": {"sha256": CONFIG}},
        ],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": "WARNED",
            "configuration": [
                descriptor("thresholds/gate.yaml", FILE, "application/yaml", "threshold file"),
                descriptor("demands", DEMANDS, "application/json", "demands", file="thresholds/gate.yaml"),
                descriptor("base.yaml", FILE, "application/yaml", "extended threshold file"),
                descriptor("quba-data.yaml", DATA, "application/yaml", "manifest"),
                descriptor("old.json", DATA, "application/json", "baseline"),
                descriptor("images/clean", clean, "application/json", "images", images="300"),
                descriptor("images/corruptions", corruptions, "application/json", "images", images="600"),
                descriptor("quba.json", RECORD, "application/json", "record", **conditions),
            ],
            "url": "https://ci.example.org/7",
            "passedTests": ["gate.yaml::accuracy[min]"],
            "warnedTests": ["gate.yaml::shape_bias[min]"],
            "failedTests": [],
        },
    }


def descriptor(name, sha256, media_type, role, **annotations):
    described = {"name": name, "digest": {"sha256": sha256}, "mediaType": media_type}
    return described | {"annotations": {"role": role, **annotations}}


A = "gate.yaml::a[min]"
B = "gate.yaml::b[min]"


@pytest.mark.parametrize(
    ("verdicts", "result"),
    [
        ([verdict("a")], ("PASSED", [A], [], [])),
        ([verdict("a"), verdict("b", "fail")], ("FAILED", [A], [], [B])),
        ([verdict("a"), verdict("b", "unmeasurable")], ("FAILED", [A], [], [B])),
        ([verdict("a"), verdict("b", "not run")], ("FAILED", [A], [], [B])),
        ([verdict("a"), verdict("b", "uncertain", policy="fail")], ("FAILED", [A], [], [B])),
        ([verdict("a"), verdict("b", "uncertain", policy="allow")], ("WARNED", [A], [B], [])),
        ([verdict("a"), verdict("b", "fail", "info")], ("WARNED", [A], [B], [])),
        ([verdict("a"), verdict("b", "not run", "warn")], ("WARNED", [A], [B], [])),
        ([verdict("a"), verdict("b", "skipped")], ("PASSED", [A], [], [])),
        ([verdict("a", "skipped")], ("FAILED", [], [], [])),
        ([], ("FAILED", [], [], [])),
    ],
)
def test_results(verdicts, result):
    assert result_of(*verdicts) == result


def test_waivers_are_stated():
    waiver = Waiver(until=date(2027, 1, 31), by="ann", reason="secret", bound=0.1)
    waived = [
        VerdictRow(**VERDICT | {"dimension": name, "outcome": "waived"}, waiver=waiver) for name in "ab"
    ]
    content = of(run(*waived))
    assert content["predicate"]["result"] == "WARNED"
    stated = content["predicate"]["configuration"][-1]["annotations"]["waived"]
    assert stated == "a[min] until 2027-01-31, b[min] until 2027-01-31"
    assert "secret" not in json.dumps(content)


@pytest.mark.parametrize("changes", [{"unselected": 1}, {"interrupted": True}])
def test_a_run_of_some_demands_has_failed(changes):
    """The demands that were left out may have failed."""
    assert result_of(verdict("a"), **changes) == ("FAILED", [A], [], [])


@given(
    st.lists(
        st.builds(
            verdict,
            st.sampled_from("abcd"),
            st.sampled_from(["pass", "fail", "uncertain", "unmeasurable", "skipped", "not run"]),
            st.sampled_from(["block", "warn", "info"]),
            st.sampled_from(["point", "fail", "allow"]),
        ),
        max_size=6,
    ),
    st.booleans(),
    st.integers(0, 2),
)
def test_only_a_released_model_has_passed(verdicts, interrupted, unselected):
    run_record = run(*verdicts, interrupted=interrupted, unselected=unselected)
    predicate = of(run_record)["predicate"]
    assert (predicate["result"] != "FAILED") == (run_record.overall_verdict == "pass")
    if predicate["result"] != "FAILED":
        assert predicate["failedTests"] == []
    assert (predicate["result"] == "PASSED") <= (predicate["warnedTests"] == [])
    listed = [name for kind in ("passed", "warned", "failed") for name in predicate[f"{kind}Tests"]]
    assert sorted(listed) == sorted(row.id for row in verdicts if row.outcome != "skipped")


@pytest.mark.parametrize("url", [None, "https://ci.example.org/7"])
def test_the_package_of_in_toto_reads_it(url):
    inputs = (InputRow(kind="threshold file", path="gate.yaml", sha256=FILE, demands=DEMANDS),)
    files = {"<script>ü\n.pt": WEIGHTS}
    content = of(run(verdict(), verdict("b", "fail"), files=files, inputs=inputs), url=url)
    message = protobuf_json.Parse(json.dumps(content), StatementMessage())
    Statement.copy_from_pb(message).validate()
    assert message.subject[0].name == "<script>ü\n.pt"
    assert message.subject[0].digest == {"sha256": WEIGHTS}
    predicate = protobuf_json.Parse(json.dumps(content["predicate"]), ResultPredicate())
    assert (predicate.result, predicate.url) == ("FAILED", url or "")
    assert list(predicate.passed_tests) == ["gate.yaml::accuracy[min]"]
    assert list(predicate.failed_tests) == ["gate.yaml::b[min]"]
    assert [part.name for part in predicate.configuration] == ["gate.yaml", "demands", "quba.json"]
    assert predicate.configuration[2].annotations["limit"] == "none"
    for part in predicate.configuration:
        ResourceDescriptor.copy_from_pb(part).validate()


def test_checksums():
    assert checksums(of(run(verdict()))) == f"{WEIGHTS}  net.pt\n{CONFIG}  config.json\n"


@pytest.mark.parametrize("name", ["x.data\n" + "f" * 64 + "  other.pt", "a\\b.data"])
def test_a_name_that_would_add_a_line_of_checksums(name):
    assert error_text(UserError, checksums, of(run(verdict(), files={name: WEIGHTS}))) == (
        f"the model file {name!a}: its name cannot stand in a list of checksums. Rename the file, and run "
        "the gate again."
    )


def test_a_record_without_digests_of_files():
    assert error_text(UserError, of, run(verdict(), files={})) == (
        f"quba.json: the record has no digests of files of the model '{record().model.spec}', which an "
        "attestation is about. Allowed: a record of this version, of a checkpoint, an ONNX file, another "
        "model file or folder, or a timm model. Save the model, and run the gate with --model=FILE."
    )
