"""Origin of a record: the command line without secrets, input files, findings."""

import hashlib
from pathlib import Path

import pytest
from support.gate import Gate

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


def test_files_of_a_run(gate: Gate, tiny_data: Path) -> None:
    Path("p.yaml").write_bytes("\ufeffmean: [0.5, 0.5, 0.5]  # ü\n".encode())
    Path("parent.yaml").write_text("schema: 1\ndimensions: {accuracy: {min: 0.1}}\n")
    text = "extends: parent.yaml\ndimensions: {parameters: {max: 1}}"
    gate.judge(text, record="old.json")
    record = gate.judge(text, preprocessing="p.yaml", baseline="old.json")
    manifest = tiny_data / "quba-data.yaml"
    demands = hashlib.sha256(
        b'{"confidence":0.95,"demands":[["accuracy","min",0.1,"block",false,false],'
        b'["parameters","max",1.0,"block",false,false]],"protocol":null,"quba":null,"uncertain":"point"}'
    ).hexdigest()
    settings = {"confidence": 0.95, "protocol": None, "quba": None, "uncertain": "point"}
    assert [row.model_dump() for row in record.inputs] == [
        {
            "kind": kind,
            "path": str(path),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "text": None if kind == "baseline" else path.read_text("utf-8-sig"),
            "demands": digest,
            "settings": None if digest is None else settings,
        }
        for kind, path, digest in (
            ("threshold file", Path("x.yaml"), demands),
            ("extended threshold file", Path("parent.yaml"), None),
            ("manifest", manifest, None),
            ("preprocessing", Path("p.yaml"), None),
            ("baseline", Path("old.json"), None),
        )
    ]
    assert record.model.files == {}


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
