"""An S3 server on loopback, by moto."""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_LINE = re.compile(r"(GET|PUT|POST|DELETE|HEAD) (\S+) HTTP")


class S3Server:
    """A server of this process.

    Attributes:
        settings: environment variables of its clients.
        requests: every request so far: method and path. Listings are `LIST`.
    """

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self.requests: list[tuple[str, str]] = []
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._names = count()
        handler = logging.Handler()
        handler.emit = self._note  # type: ignore[method-assign]
        logger = logging.getLogger("werkzeug")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.settings = {**CREDENTIALS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}

    def _note(self, line: logging.LogRecord) -> None:
        request = _LINE.search(line.getMessage())
        if request:
            method, path = request.groups()
            self.requests.append(("LIST" if "list-type=2" in path else method, path))

    def client(self):
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.settings["AWS_ENDPOINT_URL"],
            **{name.lower(): value for name, value in CREDENTIALS.items() if "KEY" in name},
            region_name="us-east-1",
        )

    def new_bucket(self) -> str:
        """Create an empty bucket; return its URL."""
        name = f"bucket-{next(self._names)}"
        self.client().create_bucket(Bucket=name)
        return f"s3://{name}"

    def upload(self, folder: Path) -> str:
        """Copy a folder into a new bucket; return its URL."""
        url = self.new_bucket()
        client = self.client()
        for path in folder.rglob("*"):
            if path.is_file():
                key = path.relative_to(folder).as_posix()
                client.put_object(Bucket=url.removeprefix("s3://"), Key=key, Body=path.read_bytes())
        return url

    def names(self, url: str) -> list[str]:
        """The names of all objects below a URL."""
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return [key.removeprefix(prefix).lstrip("/") for key in keys]

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """Count the requests within a block, by method."""
        requests: Counter[str] = Counter()
        before = len(self.requests)
        yield requests
        requests.update(method for method, _ in self.requests[before:])

    def stop(self) -> None:
        self._server.stop()
