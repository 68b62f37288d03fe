"""Objects at a URL of S3, Google Cloud Storage or Azure, through obstore."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import Any

from quba_check.errors import StoreError, UserError, extra_needed
from quba_check.messages import one_line, without_credentials
from quba_check.storage.objects import ObjectStore, StoredFile

SCHEMES = {"s3": "S3Store", "gs": "GCSStore", "az": "AzureStore"}
_EXAMPLES = "s3://bucket/folder, gs://bucket/folder or az://container/folder"
_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound|specified (bucket|container) does not exist")
_MESSAGE = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)
_QUERY = re.compile(r"\?\S+")
"""Queries of requests may hold a signature."""
WAIT_SECONDS = 5.0
"""Time after which a line names the awaited server."""
SILENT_SECONDS = 30.0
"""Time without an answer after which a request has failed."""
RETRY_SECONDS = 90.0
"""Time from the first try of a request after which it is not tried again."""
_LONGEST_REQUEST = "1h"


class UrlObjects(ObjectStore):
    """The objects below a URL.

    Args:
        url: the URL: `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`.
        option: start of messages, for example `--quba-store`.
        error: class of the errors to raise.

    Raises:
        UserError: the URL is of another kind, obstore is not installed, or its settings are incomplete.
    """

    listing_seconds = 2.0

    def __init__(self, url: str, option: str = "--quba-store", error: type[UserError] = StoreError) -> None:
        scheme, _, path = url.partition("://")
        self._url = f"{scheme}://{path.rstrip('/')}"
        self.label = without_credentials(self._url)
        self._option = option
        self._error = error
        self._is_new = True
        self._store = self._opened()

    def get(self, name: str, size: int | None = None) -> bytes:
        """Return the content of an object, or its first `size` bytes, in one request."""
        with self._errors(name):
            options: Any = None if size is None else {"range": (0, size)}
            return bytes(self._store.get(name, options=options).bytes())

    def download(self, name: str, path: Path) -> int:
        """Copy an object to a file, without holding it in memory; return its size.

        Raises:
            FileNotFoundError: there is no such object.
            OSError: the file cannot be written.
            UserError: the object cannot be read.
        """
        with self._errors(name), path.open("wb") as file:
            return sum(file.write(chunk) for chunk in self._store.get(name))

    def create(self, name: str, content: bytes) -> None:
        """Write an object that does not exist; the server checks that in the same step."""
        from obstore.exceptions import AlreadyExistsError

        with self._errors(name, can_be_missing=False), suppress(AlreadyExistsError):
            self._store.put(name, content, mode="create", use_multipart=False)

    def set(self, name: str, content: bytes) -> None:
        """Write an object, a large one in parts at once."""
        with self._errors(name, can_be_missing=False):
            self._store.put(name, content)

    def list(self, folder: str = "") -> Iterator[StoredFile]:
        """Yield the objects below a folder, without markers of folders: one request for 1,000."""
        with self._errors("", can_be_missing=False):
            objects = [each for chunk in self._store.list(folder or None) for each in chunk]
        for each in objects:
            if not each["path"]:  # the marker of the folder itself
                continue
            parts = each["path"].split("/")
            if {"", ".", ".."} & set(parts) or {"\0", "\\"} & {*each["path"]} or Path(each["path"]).anchor:
                raise self._error(
                    f"{self.label} has a file with the name {each['path']!r}",
                    where=self._option,
                    allowed="names that are paths below a folder, without empty parts, '.', '..' and '\\'",
                    hint="Rename it.",
                )
            modified = each["last_modified"].timestamp()
            version = str(each["e_tag"])
            yield StoredFile(each["path"], each["size"], modified, version)

    def delete(self, *names: str) -> None:
        """Remove objects, if they exist, on S3 and Azure many in one request."""
        if not names:
            return
        with self._errors(names[0], can_be_missing=False):
            try:
                self._store.delete(names)
            except FileNotFoundError:
                for name in names:
                    with suppress(FileNotFoundError):
                        self._store.delete(name)

    def _opened(self) -> Any:
        scheme, _, path = self._url.partition("://")
        bucket, _, prefix = path.partition("/")
        if scheme not in SCHEMES:
            raise self._not_opened(f"{scheme}:// is not supported")
        if "@" in path:
            raise self._not_opened("credentials in a URL are not read")
        if not bucket:
            raise self._not_opened("it names no bucket")
        with extra_needed(f"{self._option}: {self.label}", "obstore", self._error, extra="cloud"):
            import obstore.store
        silent = timedelta(seconds=SILENT_SECONDS)
        waits = {"connect_timeout": silent, "read_timeout": silent, "timeout": _LONGEST_REQUEST}
        retries = {"max_retries": 5, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
        options: dict[str, Any] = {"client_options": {"allow_http": True, **waits}, "retry_config": retries}
        try:
            if scheme == "s3":
                options |= _profile()
            return getattr(obstore.store, SCHEMES[scheme])(bucket, prefix=prefix or None, **options)
        except Exception as error:  # noqa: BLE001  of missing or wrong settings, also of boto3
            raise self._not_opened(self._message(error)) from None

    def _not_opened(self, problem: str) -> UserError:
        return self._error(
            f"{self.label} cannot be opened: {problem}",
            allowed=f"a folder, or a URL such as {_EXAMPLES}",
            where=self._option,
        )

    @contextmanager
    def _errors(self, name: str, *, can_be_missing: bool = True) -> Iterator[None]:
        """Raise errors of the server as `UserError`, except for missing objects that are read."""
        line = f"quba-check: waiting for an answer of {self.label}, at most two minutes\n"
        timer = Timer(WAIT_SECONDS if self._is_new else 1e6, sys.stderr.write, [line])
        timer.daemon = True
        try:
            if self._is_new:
                timer.start()
            yield
            self._is_new = False
        except UserError:
            raise
        except Exception as error:
            is_missing = isinstance(error, FileNotFoundError)
            if is_missing and can_be_missing and not _NO_BUCKET.search(str(error)):
                raise FileNotFoundError(f"{self.label}/{name}") from None
            if isinstance(error, OSError) and not is_missing:  # of the disk
                raise
            raise self._error(
                f"{self.label}{'/' if name else ''}{name} cannot be used: {self._message(error)}",
                where=self._option,
                allowed="a place that exists and that this machine's credentials may read and write",
            ) from error
        finally:
            timer.cancel()

    def _message(self, error: Exception) -> str:
        if _NO_BUCKET.search(str(error)):
            return "there is no such bucket"
        text = str(error).partition("\n\nDebug source")[0]
        details = _MESSAGE.search(text)
        text = text.partition("<?xml")[0] + (details[1] if details else "")
        text = without_credentials(_QUERY.sub("", text), self._url)
        return one_line(" ".join(text.split()).rstrip(".: ")) or type(error).__name__


def _profile() -> dict[str, Any]:
    """Return the credentials in `~/.aws` by boto3, since obstore reads none of its files."""
    has_profile = "AWS_PROFILE" in os.environ or (Path.home() / ".aws" / "credentials").exists()
    if "AWS_ACCESS_KEY_ID" in os.environ or not has_profile or find_spec("boto3") is None:
        return {}
    from obstore.auth.boto3 import Boto3CredentialProvider

    return {"credential_provider": Boto3CredentialProvider()}
