"""The comment on a pull request, against a small copy of GitHub's API on this machine."""

import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "github_comment.py"
spec = importlib.util.spec_from_file_location("github_comment", SCRIPT)
github_comment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(github_comment)
MARK = github_comment.marker("model/gate/r50.pt")
BOT = {"login": "github-actions[bot]", "type": "Bot"}


class Api(ThreadingHTTPServer):
    """GitHub's comments of pull request 7.

    Attributes:
        comments: of the pull request, the oldest first.
        user: user of the token; None for the token of a job.
        status: of every write; 201 and 200 if it succeeds.
        requests: method and path of each request.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments: list[dict[str, Any]] = []
        self.user: dict[str, str] | None = None
        self.status: int | None = None
        self.requests: list[tuple[str, str]] = []

    def author(self) -> dict[str, str]:
        return self.user or BOT


class Handler(BaseHTTPRequestHandler):
    server: Api

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def content(self) -> dict[str, Any]:
        self.server.requests.append((self.command, urlsplit(self.path).path))
        assert self.headers["Authorization"] == "Bearer secret"
        length = int(self.headers.get("Content-Length") or 0)
        return json.loads(self.rfile.read(length)) if length else {}

    def do_GET(self) -> None:
        self.content()
        path = urlsplit(self.path)
        if path.path == "/user":
            self.answer(200 if self.server.user else 403, self.server.user or {"message": "not accessible"})
            return
        assert path.path == "/repos/owner/models/issues/7/comments"
        query = parse_qs(path.query)
        size = int(query["per_page"][0])
        page = int(query["page"][0])
        self.answer(200, self.server.comments[size * (page - 1) : size * page])

    def do_POST(self) -> None:
        body = self.content()["body"]
        if self.server.status is not None:
            self.answer(self.server.status, {"message": "Resource not accessible by integration"})
            return
        comment = {"id": len(self.server.comments) + 1, "user": self.server.author(), "body": body}
        self.server.comments.append(comment)
        self.answer(201, comment)

    def do_PATCH(self) -> None:
        body = self.content()["body"]
        number = int(self.path.rpartition("/")[2])
        (comment,) = (comment for comment in self.server.comments if comment["id"] == number)
        comment["body"] = body
        self.answer(200, comment)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The API, with the environment of a job on pull request 7."""
    server = Api()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7}}), encoding="utf-8")
    environment = {
        "GITHUB_API_URL": f"http://127.0.0.1:{server.server_port}",
        "GITHUB_SERVER_URL": "https://github.example",
        "GITHUB_REPOSITORY": "owner/models",
        "GITHUB_RUN_ID": "99",
        "GITHUB_EVENT_PATH": str(event),
        "QUBA_GITHUB_TOKEN": "secret",
        "QUBA_COMMENT_KEY": "model/gate/r50.pt",
        "no_proxy": "*",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "summary.md").write_text("### ❌ FAIL\n", encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["github_comment.py", str(tmp_path / "summary.md")])
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def body(text: str = "### ❌ FAIL\n") -> str:
    return (
        f"{MARK}\n{text}\n[Log and files of the run](<https://github.example/owner/models/actions/runs/99>)\n"
    )


def test_the_first_run_writes_a_comment(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    assert github_comment.main() == 0
    assert [comment["body"] for comment in api.comments] == [body()]
    assert capsys.readouterr().out == "quba-check: comment written on pull request 7\n"


def test_a_later_run_updates_it_in_place(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [{"id": 1000 + place, "user": BOT, "body": f"comment {place}"} for place in range(150)]
    api.comments = [*others, {"id": 1, "user": BOT, "body": f"{MARK}\nold"}]
    (tmp_path / "summary.md").write_text("### ✅ PASS\n", encoding="utf-8")
    assert github_comment.main() == 0
    assert api.comments == [*others, {"id": 1, "user": BOT, "body": body("### ✅ PASS\n")}]
    assert capsys.readouterr().out == "quba-check: comment updated on pull request 7\n"


def test_another_key_has_a_comment_of_its_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    github_comment.main()
    monkeypatch.setenv("QUBA_COMMENT_KEY", "model/gate/r18.pt")
    github_comment.main()
    assert len(api.comments) == 2


@pytest.mark.parametrize("user", [None, {"login": "owner", "type": "User"}])
def test_a_comment_of_somebody_else_is_left_alone(api: Api, user: dict[str, str] | None) -> None:
    foreign = {"id": 50, "user": {"login": "mallory", "type": "User"}, "body": f"{MARK}\nPASS"}
    api.comments = [dict(foreign)]
    api.user = user
    github_comment.main()
    github_comment.main()
    assert api.comments[0] == foreign
    assert [comment["user"] for comment in api.comments[1:]] == [user or BOT]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_fork_gets_the_summary_alone(api: Api, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    api.status = status
    assert github_comment.main() == 0
    assert api.comments == []
    assert capsys.readouterr().out == (
        f"::notice title=quba-check::No right to comment on the pull request (status {status}), "
        "as for forks. The summary of the job has the result.\n"
    )


def test_an_error_of_the_service_never_fails_the_job(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    api.status = 502
    assert github_comment.main() == 0
    assert capsys.readouterr().out == "::warning title=quba-check::The comment failed (status 502).\n"


def test_no_service(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    assert github_comment.main() == 0
    assert capsys.readouterr().out == "::warning title=quba-check::The comment failed (URLError).\n"


def test_a_push_has_no_comment(api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "event.json").write_text("{}", encoding="utf-8")
    assert github_comment.main() == 0
    assert api.requests == []
    assert (
        capsys.readouterr().out == "quba-check: the job is not about a pull request, so there is no comment\n"
    )


def test_a_long_text_is_cut(api: Api, tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("x" * 70_000, encoding="utf-8")
    github_comment.main()
    assert len(api.comments[0]["body"]) == github_comment.LONGEST


def test_a_key_cannot_end_the_marker() -> None:
    assert "-->" not in github_comment.marker("a --> b")[:-3]
