"""`quba-check model-card`: the folder next to the card, and mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.tuned import record

from quba_check.cli.main import main

pytest.importorskip("huggingface_hub")

CARD = b"---\r\nlicense: mit\r\n---\r\nText without a line break"
FILE = "card/.eval_results/quba-check-me-set-test.yaml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text(record().to_json(), encoding="utf-8")
    Path("card").mkdir()
    Path("folder.md").mkdir()
    Path("card/README.md").write_bytes(CARD)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], words: str) -> tuple[int, str, str]:
    code = main(words.split())
    return code, *capsys.readouterr()


def test_a_leaderboard(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "model-card a.json card/README.md --dataset me/set --task test"
    assert run(capsys, f"{words} --percent") == (0, f"{FILE}: accuracy for the task test of me/set\n", "")
    assert "  value: 90.0\n" in Path(FILE).read_text(encoding="utf-8")
    assert run(capsys, f"{words} --value corruption_robustness.fog --revision abc") == (
        0,
        f"{FILE}: corruption_robustness.fog for the task test of me/set\n",
        "",
    )
    assert "    revision: abc\n  value: 0.55\n" in Path(FILE).read_text(encoding="utf-8")
    assert Path("card/README.md").read_bytes() == CARD


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("model-card a.json README.md --dataset me/set --task x", "README.md: there is no such file."),
        (
            "model-card a.json card --dataset me/set --task x",
            "quba-check model-card: README.md: got 'card', a folder. Allowed: a file name.",
        ),
        (
            "model-card a.json card/README.md --dataset me/set",
            "quba-check model-card: --task: is missing. See 'quba-check model-card --help'.",
        ),
    ],
)
def test_mistakes(folder: Path, capsys: pytest.CaptureFixture[str], words: str, message: str) -> None:
    before = Path("a.json").read_bytes()
    assert run(capsys, words) == (4, "", f"ERROR: {message}\n")
    assert (Path("card/README.md").read_bytes(), Path("a.json").read_bytes()) == (CARD, before)
