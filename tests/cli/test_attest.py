"""`quba-check attest`: files, exit code, and mistakes."""

import hashlib
import json
from pathlib import Path

import pytest
from cli.conftest import Run
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

SHA = "a" * 64


@pytest.fixture
def run(run: Run) -> Run:
    base = record()
    model = base.model.model_copy(update={"files": {"net.pt": SHA}})
    Path("runs").mkdir()
    Path("runs/run.json").write_text(base.model_copy(update={"model": model}).to_json(), encoding="utf-8")
    return lambda words: run(f"attest {words}")


def test_a_failed_run_has_a_statement_too(run: Run) -> None:
    code, out, err = run(
        "runs/run.json -o new/st.json --predicate p.json --checksums s.txt --url https://ci.example.org"
    )
    assert (code, err) == (0, "")
    assert out == "new/st.json: FAILED, 0 passed, 0 warned, 0 failed; subject: net.pt\n"
    statement = json.loads(Path("new/st.json").read_text(encoding="utf-8"))
    predicate = json.loads(Path("p.json").read_text(encoding="utf-8"))
    assert statement["predicate"] == predicate
    assert predicate["url"] == "https://ci.example.org"
    assert predicate["configuration"][-1]["name"] == "run.json"
    assert predicate["configuration"][-1]["digest"] == {
        "sha256": hashlib.sha256(Path("runs/run.json").read_bytes()).hexdigest()
    }
    assert Path("s.txt").read_text(encoding="utf-8") == f"{SHA}  net.pt\n"


@pytest.mark.parametrize(
    "words",
    [
        "runs/run.json -o a.json --checksums ./a.json",
        "runs/run.json -o a.json --url https://me:s3cret@host/7",
    ],
)
def test_mistakes(run: Run, words: str, snapshot: SnapshotAssertion) -> None:
    assert run(words) == (4, "", snapshot)
    assert not Path("a.json").exists()
