"""Files behind a URL: object stores and file servers, through fsspec."""

from __future__ import annotations

import errno
import inspect
import os
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from quba_check.errors import StoreError, UserError
from quba_check.messages import needs, without_credentials
from quba_check.storage.atomic import replacing
from quba_check.storage.remote.remote_file import RemoteFile, remote_file
from quba_check.storage.remote.server_files import write_whole
from quba_check.storage.remote.time_limits import S3, S3_ATTEMPTS, time_limits, waiting_line, write_limit

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+(::[a-z0-9+.:/-]*)?://", re.IGNORECASE)
_EXTRAS = {
    "s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3"),
    "gs": ("gcsfs", "gs"), "gcs": ("gcsfs", "gs"),
    "az": ("adlfs", "az"), "abfs": ("adlfs", "az"), "abfss": ("adlfs", "az"), "adl": ("adlfs", "az"),
}  # fmt: skip
_EXAMPLES = "such as s3://bucket/folder, gs://bucket/folder or az://container/folder"
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Numbers of errors that concern the disk of a copy, never the server."""
_CONFLICTS = 5
_PAUSE = 0.2


class RemoteFiles:
    """The files below a URL, with names relative to it.

    Readers see a file whole. An instance can be pickled, and used in threads and after a fork.

    Args:
        url: the URL: `s3://`, `gs://`, `az://`, or any that fsspec knows.
        option: start of messages, for example `--quba-store`.
        error: class of the errors to raise.

    Attributes:
        url: the URL without a final slash.
        shown: the URL for messages, without a password.

    Raises:
        UserError: the protocol is unknown, or its package is not installed.
    """

    def __init__(self, url: str, option: str, error: type[UserError] = StoreError) -> None:
        self.url = url.rstrip("/")
        self.shown = without_credentials(self.url)
        self._option = option
        self._error = error
        self._opened: tuple[int, Any, str] | None = None
        self._is_new = True
        if not self.url.partition("://")[2]:
            raise error(f"{option}: {url} names no bucket. Allowed: a URL {_EXAMPLES}.")
        self._open()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def listing(self, prefix: str = "") -> dict[str, RemoteFile]:
        """Return all files whose names start with a prefix, also those in folders.

        An object store is asked once for every 1000 files.

        Raises:
            UserError: the files cannot be listed, or a name cannot be that of a file on this machine.
        """
        system, root = self._open()
        system.invalidate_cache()
        with self._errors(prefix):
            try:
                entries = _entries(system, root, prefix)
            except FileNotFoundError:  # also some file servers, for a folder that does not exist
                if _has_prefixes(system):
                    raise self._failure("", "there is no such bucket") from None
                entries = {}
        files = {}
        for path, entry in entries.items():
            name = _relative(path, root)
            is_file = entry.get("type", "file") == "file" and not path.endswith(
                "/"
            )  # not a marker of a folder
            if is_file and name.startswith(prefix):
                self._check_name(name)
                files[name] = remote_file(entry)
        return files

    def read(self, name: str, size: int | None = None) -> bytes:
        """Return the content of a file, in one request.

        Args:
            name: the file.
            size: number of bytes to read from its start; None for all.

        Raises:
            FileNotFoundError: there is no such file.
            UserError: it cannot be read.
        """
        system, root = self._open()
        options = _read_whole(system) if size is None else {"start": 0, "end": size}
        with self._errors(name):
            content: bytes = system.cat_file(f"{root}/{name}", **options)
        return content

    def download(self, name: str, path: Path) -> None:
        """Copy a file to this machine, where it appears whole.

        Args:
            name: the file.
            path: the copy; its folder is created.

        Raises:
            FileNotFoundError: there is no such file.
            OSError: the copy cannot be written.
            UserError: the file cannot be read.
        """
        system, root = self._open()
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as copy:
            copy.touch()
            with self._errors(name, passed=_DISK_ERRORS):
                system.get_file(f"{root}/{name}", str(copy))

    def create(self, name: str, payload: bytes) -> bool:
        """Write a file that does not exist yet; return False if it exists.

        S3, Google Cloud and Azure check and write in one step. Other servers are asked first, so that two
        writers at the same time may both receive True.

        Raises:
            UserError: it cannot be written.
        """
        for attempt in range(_CONFLICTS):
            try:
                with self._errors(name):
                    self._write(name, payload, mode="create")
            except FileExistsError:
                return False
            except _ConflictError as conflict:
                if attempt == _CONFLICTS - 1:
                    raise self._failure(name, str(conflict)) from conflict
                time.sleep(_PAUSE * 2**attempt)
            else:
                return True
        return False

    def replace(self, name: str, payload: bytes) -> None:
        """Write a file, whether it exists or not.

        Raises:
            UserError: it cannot be written.
        """
        with self._errors(name):
            self._write(name, payload, mode="overwrite")

    def remove(self, name: str) -> None:
        """Remove a file, if it exists.

        Raises:
            UserError: it cannot be removed.
        """
        system, root = self._open()
        with suppress(FileNotFoundError), self._errors(name):
            system.rm_file(f"{root}/{name}")

    def remove_all(self, names: Collection[str]) -> None:
        """Remove files as far as possible, on S3 with one request for 1000 files.

        S3 does not report files that could not be removed.

        Raises:
            UserError: the server refuses the request.
        """
        system, root = self._open()
        if not hasattr(system, "_bulk_delete"):
            for name in names:
                self.remove(name)
        elif names:
            with self._errors(""):
                system.rm([f"{root}/{name}" for name in names])

    def _write(self, name: str, payload: bytes, mode: str) -> None:
        system, root = self._open()
        if not _has_prefixes(system):
            write_whole(system, root, name, payload, is_new=mode == "create")
            return
        try:
            system.pipe_file(f"{root}/{name}", payload, mode=mode, **write_limit(system, len(payload)))
        except FileNotFoundError as error:
            raise self._failure("", "there is no such bucket") from error

    def _open(self) -> tuple[Any, str]:
        """Return the file system of fsspec and the path of the URL in it."""
        if self._opened is None or self._opened[0] != os.getpid():
            import fsspec

            protocol = _protocol(self.url)
            try:
                system, root = fsspec.url_to_fs(self.url, **time_limits(protocol))
            except Exception as error:  # of any file system, for a wrong URL or missing credentials
                package, extra = _EXTRAS.get(protocol, ("", ""))
                if isinstance(error, ImportError) and package:
                    raise self._error(
                        f"{self._option}: {self.shown} {needs(package, extra=extra)}"
                    ) from error
                problem = without_credentials(str(error), self.url)
                raise self._error(
                    f"{self._option}: {self.shown} cannot be opened: {problem}. Allowed: a folder, or a URL "
                    f"{_EXAMPLES}."
                ) from error
            if protocol in S3:
                system.retries = S3_ATTEMPTS
            self._opened = os.getpid(), system, root.rstrip("/")
        return self._opened[1:]

    @contextmanager
    def _errors(self, name: str, passed: Collection[int] = ()) -> Iterator[None]:
        """Raise errors of a file system as `UserError`, except for missing and existing files.

        Args:
            name: the file; empty for all.
            passed: numbers of errors that are raised as they are.
        """
        try:
            with waiting_line(self.shown) if self._is_new else nullcontext():
                yield
            self._is_new = False
        except (FileNotFoundError, FileExistsError, UserError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in passed:
                raise
            code = _code_of_s3(error)
            if code == "PreconditionFailed":
                raise FileExistsError(name) from error
            if code == "ConditionalRequestConflict":
                raise _ConflictError(str(error)) from error
            silence = (
                "the server does not answer" if isinstance(error, TimeoutError) else type(error).__name__
            )
            raise self._failure(name, str(error) or silence) from error

    def _failure(self, name: str, problem: str) -> UserError:
        place = f"{self.shown}/{name}" if name else self.shown
        problem = without_credentials(problem, self.url)
        return self._error(
            f"{self._option}: {place} cannot be used: {problem}. Allowed: a place that exists and that this "
            "machine's credentials may read and write."
        )

    def _check_name(self, name: str) -> None:
        parts = name.split("/")
        if {"", ".", ".."} & set(parts) or "\0" in name or "\\" in name:
            raise self._error(
                f"{self._option}: {self.shown} has a file with the name {name!r}. Allowed: names that are "
                "paths below a folder, without empty parts, '.', '..' and '\\'. Rename it."
            )


class _ConflictError(Exception):
    """Another writer of the same file was in progress; S3 asks to try again."""


def is_url(text: str | Path) -> bool:
    """Return True for a URL such as `s3://bucket/folder`, False for a path.

    >>> is_url("s3://bucket/folder"), is_url("folder"), is_url("C:/folder")
    (True, False, False)
    """
    return _SCHEME.match(str(text)) is not None


def _protocol(url: str) -> str:
    return url.split("://", 1)[0].lower()


def _read_whole(system: Any) -> dict[str, Any]:
    """Return the arguments of a read in one request.

    Some versions of s3fs ask for the size of the object first, to read it in parts at once.
    """
    has_parts = hasattr(system, "_bulk_delete") and _has_parameter(system.cat_file, "max_concurrency")
    return {"max_concurrency": 1} if has_parts else {}


def _has_parameter(function: Callable[..., Any], name: str) -> bool:
    return name in inspect.signature(function).parameters


def _has_prefixes(system: Any) -> bool:
    """Return True for an object store, which has no folders and lists by prefix."""
    return _has_parameter(system.find, "prefix")


def _entries(system: Any, root: str, prefix: str) -> dict[str, dict[str, Any]]:
    """Return the entries of all files with a prefix, and perhaps of others."""
    if _has_prefixes(system):  # from the bucket on: below a folder that is empty, s3fs sends three requests
        bucket, _, folder = root.partition("/")
        below = f"{folder}/{prefix}" if folder else prefix
        entries: dict[str, dict[str, Any]] = system.find(bucket, prefix=below, detail=True)
    else:
        folder = prefix.rpartition("/")[0]
        entries = system.find(f"{root}/{folder}" if folder else root, detail=True)
    return entries


def _relative(path: str, root: str) -> str:
    """Return a path below a root relative to it."""
    return path.removeprefix(f"{root}/")


def _code_of_s3(error: BaseException) -> str | None:
    """Return the error code of S3 behind an error of s3fs, if any."""
    response = getattr(error.__cause__, "response", None) or getattr(error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None
