"""Entries of listings as file systems of fsspec return them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from quba_check.storage.remote.remote_file import RemoteFile, remote_file

TIME = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
SECONDS = TIME.timestamp()
BY_TIME = f"{SECONDS}-7"


@pytest.mark.parametrize(
    ("entry", "version", "modified"),
    [
        pytest.param({"LastModified": TIME, "ETag": '"ab"'}, '"ab"', SECONDS, id="S3"),
        pytest.param({"updated": "2026-01-31T23:59:59Z", "generation": "17"}, "17", SECONDS, id="Google"),
        pytest.param({"last_modified": TIME, "etag": "0x8"}, "0x8", SECONDS, id="Azure"),
        pytest.param({"mtime": SECONDS, "created": 0.0}, BY_TIME, SECONDS, id="local"),
        pytest.param({"mtime": TIME, "time": 0}, BY_TIME, SECONDS, id="SFTP"),
        pytest.param({"modify": "20260131235959"}, BY_TIME, SECONDS, id="FTP"),
        pytest.param({"modify": "20260131235959.123"}, BY_TIME, SECONDS, id="FTP, with milliseconds"),
        pytest.param({"modify": "Jan 31 23:59"}, "Jan 31 23:59-7", None, id="FTP, without MLSD"),
        pytest.param({"modificationTime": SECONDS * 1000}, BY_TIME, SECONDS, id="WebHDFS"),
        pytest.param({"modified": TIME, "etag": None}, BY_TIME, SECONDS, id="WebDAV"),
        pytest.param({"created": TIME}, BY_TIME, SECONDS, id="memory"),
        pytest.param({"sha": "c0ffee"}, "c0ffee", None, id="GitHub"),
        pytest.param({"blob_id": "c0ffee", "last_commit": None}, "c0ffee", None, id="Hugging Face"),
        pytest.param({"CRC": 0}, "0", None, id="zip"),
        pytest.param({"ETag": ""}, "", None, id="nothing"),
    ],
)
def test_versions_and_times(entry: dict[str, Any], version: str, modified: float | None) -> None:
    assert remote_file({"type": "file", "size": 7, **entry}) == RemoteFile(7, version, modified)


@pytest.mark.parametrize("entry", [{"size": None, "type": "file"}, {"ETag": "ab"}, {"mtime": 0.0}, {}])
def test_a_file_without_a_size_has_no_version(entry: dict[str, Any]) -> None:
    assert (remote_file(entry).size, remote_file(entry).version) == (0, "")
