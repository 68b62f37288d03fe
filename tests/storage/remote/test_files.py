from __future__ import annotations

import errno
import multiprocessing
import pickle
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.s3 import S3Server

from quba_check.errors import StoreError, SuiteError
from quba_check.storage.remote import time_limits
from quba_check.storage.remote.files import RemoteFiles, is_url

OPTION = "--quba-store"


@pytest.fixture(params=["s3", "memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "s3":
        yield f"{request.getfixturevalue('s3').new_bucket()}/folder"
    elif request.param == "memory":
        yield f"memory://{tmp_path.name}"
        fsspec.filesystem("memory").store.clear()
    else:
        yield f"file://{tmp_path}/remote"


def test_files_are_written_listed_read_and_removed(url: str, tmp_path: Path) -> None:
    files = RemoteFiles(url, OPTION)
    assert files.listing() == {}
    files.replace("a/b.txt", b"old")
    files.replace("ab/c", b"")
    before = files.listing()["a/b.txt"]
    files.replace("a/b.txt", b"longer")
    assert {name: file.size for name, file in files.listing().items()} == {"a/b.txt": 6, "ab/c": 0}
    assert list(files.listing("a/")) == ["a/b.txt"]
    assert list(files.listing("a/b")) == ["a/b.txt"]
    assert sorted(files.listing("a")) == ["a/b.txt", "ab/c"]
    after = files.listing()["a/b.txt"]
    assert after.version != before.version
    assert after.modified is not None
    assert (files.read("a/b.txt"), files.read("ab/c")) == (b"longer", b"")
    files.download("a/b.txt", tmp_path / "copy" / "b.txt")
    assert (tmp_path / "copy" / "b.txt").read_bytes() == b"longer"
    files.remove("a/b.txt")
    files.remove("a/b.txt")
    assert list(files.listing()) == ["ab/c"]
    files.remove_all([])
    files.remove_all(["ab/c", "ab/d"])
    assert files.listing() == {}


def test_a_file_is_created_once(url: str) -> None:
    files = RemoteFiles(url, OPTION)
    assert files.create("a/b", b"first")
    assert not files.create("a/b", b"second")
    assert files.read("a/b") == b"first"


def test_a_missing_file_is_an_error_that_the_caller_can_tell(url: str, tmp_path: Path) -> None:
    files = RemoteFiles(url, OPTION)
    with pytest.raises(FileNotFoundError):
        files.read("a")
    with pytest.raises(FileNotFoundError):
        files.download("a", tmp_path / "a")
    assert list(tmp_path.glob("*a*")) == []


@pytest.mark.parametrize(
    ("number", "raised"),
    [
        (errno.ENOSPC, OSError),
        (errno.EDQUOT, OSError),
        (errno.EFBIG, OSError),
        (errno.EROFS, OSError),
        (errno.ECONNRESET, StoreError),
    ],
)
def test_errors_of_the_disk_are_not_those_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raised: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "reason")

    monkeypatch.setattr(MemoryFileSystem, "get_file", fail)
    with pytest.raises(raised, match="reason"):
        RemoteFiles("memory://folder", OPTION).download("a", tmp_path / "a")


def test_a_copy_appears_whole(url: str, tmp_path: Path) -> None:
    files = RemoteFiles(url, OPTION)
    path = tmp_path / "copy"
    path.write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        files.download("a", path)
    assert path.read_bytes() == b"old"


def test_each_call_on_s3_is_one_request(s3: S3Server, tmp_path: Path) -> None:
    files = RemoteFiles(f"{s3.new_bucket()}/folder", OPTION)
    calls = {
        "LIST": lambda: files.listing(),
        "PUT": lambda: files.create("a", b"x"),
        "GET": lambda: files.read("a"),
        "DELETE": lambda: files.remove("a"),
    }
    for method, call in calls.items():
        with s3.counted() as requests:
            call()
        assert requests == {method: 1}
    files.replace("a", b"x")
    with s3.counted() as requests:
        files.download("a", tmp_path / "a")
    assert requests == {"GET": 1}


def test_listings_are_never_old(s3: S3Server) -> None:
    url = s3.new_bucket()
    files = RemoteFiles(url, OPTION)
    assert files.listing() == {}
    bucket = url.removeprefix("s3://")
    s3.client().put_object(Bucket=bucket, Key="a/b", Body=b"x")
    assert list(files.listing()) == ["a/b"]


def read_in_child(files: RemoteFiles) -> None:
    assert files.read("a") == b"x"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_can_use_it(s3: S3Server, method: str) -> None:
    files = RemoteFiles(s3.new_bucket(), OPTION)
    files.replace("a", b"x")
    assert pickle.loads(pickle.dumps(files)).read("a") == b"x"
    context = multiprocessing.get_context(method)
    process = context.Process(target=read_in_child, args=(files,))
    process.start()
    process.join()
    assert process.exitcode == 0


def test_threads_can_use_it(s3: S3Server) -> None:
    files = RemoteFiles(s3.new_bucket(), OPTION)
    names = [f"a/{number}" for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda name: files.create(name, name.encode()), names))
        assert list(pool.map(files.read, names)) == [name.encode() for name in names]


def message(call) -> str:
    with pytest.raises(StoreError) as error:
        call()
    return str(error.value)


def test_a_missing_bucket_is_named(s3: S3Server) -> None:
    files = RemoteFiles("s3://no-such-bucket/folder", OPTION)
    expected = (
        "--quba-store: s3://no-such-bucket/folder cannot be used: there is no such bucket. "
        "Allowed: a place that exists and that this machine's credentials may read and write."
    )
    assert message(files.listing) == expected
    assert message(lambda: files.create("a", b"")) == expected
    assert message(lambda: files.replace("a", b"")) == expected


def test_errors_of_the_server_are_shown_after_a_colon(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    files = RemoteFiles(s3.new_bucket(), OPTION)
    assert re.fullmatch(
        "--quba-store: s3://bucket-[0-9]+/a cannot be used: .+ Allowed: a place that exists and that this "
        "machine's credentials may read and write.",
        message(lambda: files.read("a")),
    )


def test_an_unknown_protocol_is_refused() -> None:
    text = message(lambda: RemoteFiles("teleport://a/b", OPTION))
    assert text.startswith("--quba-store: teleport://a/b cannot be opened: ")
    assert text.endswith(
        ". Allowed: a folder, or a URL such as s3://bucket/folder, gs://bucket/folder or az://container/folder."
    )


def test_a_url_without_a_bucket_is_refused() -> None:
    assert message(lambda: RemoteFiles("s3://", OPTION)) == (
        "--quba-store: s3:// names no bucket. Allowed: a URL such as s3://bucket/folder, gs://bucket/folder "
        "or az://container/folder."
    )


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def url_to_fs(url: str) -> None:
        raise ImportError("Install gcsfs to access Google Storage")

    monkeypatch.setattr(fsspec, "url_to_fs", url_to_fs)
    assert message(lambda: RemoteFiles("gs://bucket/x", OPTION)) == (
        "--quba-store: gs://bucket/x needs gcsfs, which is not installed. "
        'Install it: pip install "quba-check[gs]".'
    )
    assert message(lambda: RemoteFiles("ipfs://host/x", OPTION)) == (
        "--quba-store: ipfs://host/x cannot be opened: Install gcsfs to access Google Storage. Allowed: a "
        "folder, or a URL such as s3://bucket/folder, gs://bucket/folder or az://container/folder."
    )


def test_a_name_that_leads_elsewhere_is_refused(s3: S3Server) -> None:
    url = s3.new_bucket()
    s3.client().put_object(Bucket=url.removeprefix("s3://"), Key="x/../../passwd", Body=b"x")
    assert message(RemoteFiles(url, OPTION).listing) == (
        f"--quba-store: {url} has a file with the name 'x/../../passwd'. Allowed: names that are paths below "
        "a folder, without empty parts, '.', '..' and '\\'. Rename it."
    )


def test_markers_of_folders_are_no_files(s3: S3Server) -> None:
    url = s3.new_bucket()
    s3.client().put_object(Bucket=url.removeprefix("s3://"), Key="x/", Body=b"")
    assert RemoteFiles(url, OPTION).listing() == {}
    assert RemoteFiles(f"{url}/x", OPTION).listing() == {}


def test_the_caller_chooses_the_class_of_errors() -> None:
    with pytest.raises(SuiteError, match=r"^--quba-data: teleport://a cannot be opened"):
        RemoteFiles("teleport://a", "--quba-data", SuiteError)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("teleport://me:secret@host/x", "teleport://***@host/x"),
        ("teleport://me:se:cr@et@host:80/x@y", "teleport://***@host:80/x@y"),
        ("teleport://:secret@[::1]/x", "teleport://***@[::1]/x"),
        ("teleport://me:secret@[bad/x", "teleport://***@[bad/x"),
        ("teleport://me@host/x:y@z", "teleport://***@host/x:y@z"),
        ("teleport://me:by/mistake@host/x", "teleport://***@host/x"),
        ("teleport://host/x", "teleport://host/x"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    text = message(lambda: RemoteFiles(url, OPTION))
    assert text.startswith(f"--quba-store: {shown} cannot be opened: ")


def test_passwords_in_errors_of_a_server_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str) -> None:
        raise OSError(f"cannot connect to {url} (host 'x')")

    monkeypatch.setattr("fsspec.url_to_fs", refuse)
    text = message(lambda: RemoteFiles("sftp://user:secret@host/folder", OPTION))
    assert "cannot connect to sftp://***@host/folder (host 'x')" in text
    assert "secret" not in text


def test_user_and_password_in_an_error_about_the_bucket_are_not_shown(s3: S3Server) -> None:
    text = message(lambda: RemoteFiles("s3://key:secret@bucket/x", OPTION).read("a"))
    assert "***@bucket" in text
    assert "secret" not in text


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("work", ["read", "listing", "create"])
def test_a_server_that_never_answers_is_reported(
    s3: S3Server, silent: str, work: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert time_limits.S3_SECONDS * time_limits.S3_TRIES * time_limits.S3_ATTEMPTS**2 == 120
    monkeypatch.setattr(time_limits, "S3_SECONDS", 0.1)
    monkeypatch.setattr(time_limits, "S3_TRIES", 1)
    monkeypatch.setattr(time_limits, "WAIT_SECONDS", 0.05)
    monkeypatch.setenv("AWS_ENDPOINT_URL", silent)
    files = RemoteFiles("s3://bucket/x", OPTION)
    arguments = {"read": ("a",), "listing": (), "create": ("a", b"")}[work]
    text = message(lambda: getattr(files, work)(*arguments))
    assert text.startswith("--quba-store: s3://bucket/x")
    assert "cannot be used: " in text
    assert (silent if work != "create" else "cannot be used: the server does not answer.") in text
    assert capfd.readouterr().err == (
        "quba-check: waiting for an answer of s3://bucket/x, at most two minutes\n"
    )


def test_a_server_that_answers_is_not_mentioned(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    files = RemoteFiles(s3.new_bucket(), OPTION)
    files.listing()
    monkeypatch.setattr(time_limits, "WAIT_SECONDS", 0)
    files.listing()
    assert capfd.readouterr().err == ""


def test_settings_of_fsspec_have_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 300, "s3": {}}})
    settings = time_limits.time_limits("s3")["config_kwargs"]
    assert (settings["connect_timeout"], settings["read_timeout"], settings["s3"]) == (10, 300, {})
    assert time_limits.time_limits("file") == {}


def test_a_url_that_cannot_be_split_is_refused() -> None:
    assert re.fullmatch(
        r"--quba-store: s3://\[bad/x cannot be opened: .+\. Allowed: a folder, or a URL such as "
        r"s3://bucket/folder, gs://bucket/folder or az://container/folder\.",
        message(lambda: RemoteFiles("s3://[bad/x", OPTION)),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/folder", True),
        ("az://container", True),
        ("file:///folder", True),
        ("simplecache::s3://bucket/folder", True),
        ("folder", False),
        ("./s3:/bucket", False),
        ("C:/folder", False),
        ("c://folder", False),
        ("", False),
    ],
)
def test_urls_are_told_from_paths(text: str, expected: bool) -> None:
    assert is_url(text) is expected
