"""Errors of URLs and servers: one line that names the place, without passwords."""

import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PureWindowsPath

import pytest
from support.errors import error_text
from support.object_servers import azurite, google
from support.s3 import S3Server
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import StoreError, SuiteError
from quba_check.storage import url_objects
from quba_check.storage.url_objects import UrlObjects

ALLOWED = (
    "Allowed: a folder, or a URL such as s3://bucket/folder, gs://bucket/folder or az://container/folder."
)
RIGHTS = "Allowed: a place that exists and that this machine's credentials may read and write."


def message(call: Callable[[], object]) -> str:
    return error_text(StoreError, call)


def check_missing_bucket(url: str) -> None:
    objects = UrlObjects(url)
    for call in (
        lambda: list(objects.list()),
        lambda: objects.get("a"),
        lambda: objects.create("a", b""),
        lambda: objects.set("a", b""),
    ):
        text = message(call)
        assert text.startswith(f"--quba-store: {url}")
        assert text.endswith(f" cannot be used: there is no such bucket. {RIGHTS}")


def test_a_missing_bucket_is_named(s3: S3Server) -> None:
    check_missing_bucket("s3://no-such-bucket/folder")


@pytest.mark.parametrize(("server", "scheme"), [(azurite, "az"), (google, "gs")])
def test_a_missing_bucket_of_another_server_is_named(
    server: Callable, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server() as settings:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        check_missing_bucket(f"{scheme}://no-such-bucket/folder")


def test_each_call_on_s3_is_one_request(s3: S3Server, tmp_path: Path) -> None:
    objects = UrlObjects(f"{s3.new_bucket()}/folder")
    calls = {
        "LIST": lambda: list(objects.list()),
        "PUT": lambda: objects.create("a", b"x"),
        "GET": lambda: objects.get("a"),
        "POST": lambda: objects.delete("a", "b", "c"),
    }
    for method, call in calls.items():
        with s3.counted() as requests:
            call()
        assert requests == {method: 1}
    objects.set("a", b"content")
    with s3.counted() as requests:
        assert objects.download("a", tmp_path / "a") == 7
    assert (requests, (tmp_path / "a").read_bytes()) == ({"GET": 1}, b"content")


def test_errors_of_the_disk_are_not_those_of_the_server(s3: S3Server, tmp_path: Path) -> None:
    objects = UrlObjects(s3.new_bucket())
    objects.set("a", b"x")
    with pytest.raises(IsADirectoryError):
        objects.download("a", tmp_path)
    with pytest.raises(FileNotFoundError):
        objects.download("b", tmp_path / "b")


def test_errors_of_the_server_are_shown_after_a_colon(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    url = s3.new_bucket()
    s3.client().put_object(Bucket=url.removeprefix("s3://"), Key="a", Body=b"x")
    text = message(lambda: UrlObjects(url).get("a"))
    assert re.fullmatch(
        r"--quba-store: s3://bucket-[0-9]+/a cannot be used: .+: 403 Forbidden[^\n]*\. " + re.escape(RIGHTS),
        text,
    )
    assert "Debug" not in text


def test_credentials_of_a_profile(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = s3.new_bucket()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    file.write_text("[team]\naws_access_key_id = test\naws_secret_access_key = test\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "team")
    objects = UrlObjects(url)
    objects.set("a", b"x")
    assert objects.get("a") == b"x"
    monkeypatch.setenv("AWS_PROFILE", "none")
    assert message(lambda: UrlObjects("s3://bucket/x")) == (
        "--quba-store: s3://bucket/x cannot be opened: The config profile (none) could not be found. "
        + ALLOWED
    )


def test_missing_settings_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    assert re.fullmatch(
        r"--quba-store: az://container/x cannot be opened: .*[aA]ccount.*\. " + re.escape(ALLOWED),
        message(lambda: UrlObjects("az://container/x")),
    )


@pytest.mark.parametrize(
    "url",
    [
        *(f"{scheme}://a/b/" for scheme in ("teleport", "memory", "http", "https", "file", "sftp", "s3a")),
        *("s3:///folder", "s3://", "s3://me:secret@host/x", "sftp://me@host/x:y@z"),
    ],
)
def test_urls_that_are_refused(url: str, snapshot: SnapshotAssertion) -> None:
    assert message(lambda: UrlObjects(url)) == snapshot


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    assert message(lambda: UrlObjects("gs://bucket/x")) == (
        "--quba-store: gs://bucket/x needs obstore, which is not installed. "
        'Install it: pip install "quba-check[cloud]".'
    )


def test_the_caller_chooses_the_class_of_errors() -> None:
    with pytest.raises(SuiteError, match=r"^--quba-data: teleport://a cannot be opened"):
        UrlObjects("teleport://a", "--quba-data", SuiteError)


def test_a_name_that_leads_elsewhere_is_refused(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    url = s3.new_bucket()
    s3.client().put_object(Bucket=url.removeprefix("s3://"), Key="x/a\\b", Body=b"x")
    assert message(lambda: list(UrlObjects(url).list())) == (
        f"--quba-store: {url} has a file with the name 'x/a\\\\b'. Allowed: names that are paths below "
        "a folder, without empty parts, '.', '..' and '\\'. Rename it."
    )
    s3.client().put_object(Bucket=url.removeprefix("s3://"), Key="D:/x", Body=b"x")
    objects = UrlObjects(url)
    monkeypatch.setattr(url_objects, "Path", PureWindowsPath)
    assert "a file with the name 'D:/x'" in message(lambda: list(objects.list()))


def test_markers_of_folders_are_no_files(s3: S3Server) -> None:
    url = s3.new_bucket()
    s3.client().put_object(Bucket=url.removeprefix("s3://"), Key="x/", Body=b"")
    assert list(UrlObjects(f"{url}/x").list()) == []


@pytest.fixture
def silent(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    monkeypatch.setattr(url_objects, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(url_objects, "RETRY_SECONDS", 0.5)
    monkeypatch.setattr(url_objects, "WAIT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        yield address


@pytest.mark.parametrize(
    "call",
    [
        lambda objects: objects.get("a"),
        lambda objects: list(objects.list()),
        lambda objects: objects.create("a", b""),
    ],
    ids=["get", "list", "create"],
)
def test_a_server_that_never_answers_is_reported(
    silent: str, call: Callable, capfd: pytest.CaptureFixture[str]
) -> None:
    text = message(lambda: call(UrlObjects("s3://bucket/x")))
    assert re.fullmatch(
        rf"--quba-store: s3://bucket/x.* cannot be used: .*{silent}.* {re.escape(RIGHTS)}", text
    )
    assert capfd.readouterr().err == (
        "quba-check: waiting for an answer of s3://bucket/x, at most two minutes\n"
    )


def test_a_server_that_answers_is_not_mentioned(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    objects = UrlObjects(s3.new_bucket())
    list(objects.list())
    monkeypatch.setattr(url_objects, "WAIT_SECONDS", 0)
    list(objects.list())
    assert capfd.readouterr().err == ""
