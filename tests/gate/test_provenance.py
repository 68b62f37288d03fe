"""Origin of a record: the command line without secrets, input files, findings."""

import hashlib

import pytest

from quba_check.doctor.finding import Finding
from quba_check.gate.options import OPTIONS
from quba_check.gate.provenance import finding_rows, shown_command
from quba_check.records.record import LARGEST_TEXT, FindingRow, yaml_input


@pytest.mark.parametrize(
    ("arguments", "paths", "shown"),
    [
        (["--model=demo"], [], ["--model=demo"]),
        (["--model", "demo", "gate.yaml"], ["gate.yaml"], ["--model", "demo", "gate.yaml"]),
        (["gate.yaml::accuracy[min]"], ["gate.yaml::accuracy[min]"], ["gate.yaml::accuracy[min]"]),
        (["-k", "fog or snow", "-x", "-n2", "-vv"], [], ["-k", "fog or snow", "-x", "-n2", "-vv"]),
        (["--quba-trust-pickle", "s3cret"], [], ["--quba-trust-pickle", "***"]),
        (["--quba-preprocessing", "p.yaml"], [], ["--quba-preprocessing", "p.yaml"]),
        (["--api-token=s3cret", "--quba-seed=1"], [], ["--api-token=***", "--quba-seed=1"]),
        (["--api-token", "s3cret", "gate.yaml"], ["gate.yaml"], ["--api-token", "***", "gate.yaml"]),
        (["-o", "token=s3cret"], [], ["-o", "***"]),
        (["-otoken=s3cret"], [], ["-otoken=***"]),
        (["-password=s3cret"], [], ["-password=***"]),
        (["--model=https://me:s3cret@host/net.pt"], [], ["--model=https://***@host/net.pt"]),
        (["--model=\udcff.pt"], [], ["--model=\\udcff.pt"]),
        (["--model=" + "x" * 2000], [], ["--model=" + "x" * 992 + "…"]),
        (["a.yaml"] * 203, ["a.yaml"], ["a.yaml"] * 200 + ["… and 3 more"]),
    ],
)
def test_the_command_without_secrets(arguments, paths, shown):
    assert shown_command(arguments, paths) == ("pytest", *shown)
    assert "s3cret" not in " ".join(shown_command(arguments, paths))


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.flag)
def test_every_option_of_quba_check_is_shown(option):
    words = [option.flag] if option.metavar is None else [option.flag, "VALUE"]
    assert shown_command(words, []) == ("pytest", *words)


def test_a_yaml_file():
    content = "\ufeffschema: 1  # ü\n".encode()
    row = yaml_input("threshold file", "gate.yaml", content)
    assert row.model_dump() == {
        "kind": "threshold file",
        "path": "gate.yaml",
        "sha256": hashlib.sha256(content).hexdigest(),
        "text": "schema: 1  # ü\n",
        "demands": None,
    }


def test_the_text_of_a_large_file_is_left_out():
    assert yaml_input("manifest", "m.yaml", b"#" * LARGEST_TEXT).text == "#" * LARGEST_TEXT
    assert yaml_input("manifest", "m.yaml", b"#" * (LARGEST_TEXT + 1)).text is None


def test_findings():
    findings = [
        Finding(check="answers", problem="m.pt: is odd.", evidence="3 of 4", fix="retrain\nagain"),
        Finding(check="sets", problem="no sketch.", evidence="", fix="", severity="remark"),
    ]
    assert finding_rows(findings) == (
        FindingRow(severity="problem", title="m.pt: is odd.", text="evidence: 3 of 4\nfix: retrain\nagain"),
        FindingRow(severity="remark", title="no sketch."),
    )
