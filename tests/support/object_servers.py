"""Servers of Azure and Google Cloud Storage on loopback."""

import base64
import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from threading import Thread

import pytest
import requests

KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Public key of the account of Azure's emulators."""
CONTAINER = "container"
SIGNED = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=, Signature="
"""What moto expects of a client that may read, and does not check."""


@contextmanager
def azurite() -> Iterator[dict[str, str]]:
    """Run Azurite, with a container; yield the environment of its clients."""
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite-blob is not installed: npm install azurite")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    options = ("--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry")
    process = subprocess.Popen(
        [program, "--blobPort", str(port), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while not _create_container(url):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": url}
    finally:
        process.kill()
        process.wait()


def _create_container(url: str) -> bool:
    """Create the container; return False if the server does not listen yet."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    stated = "".join(f"{name}:{value}\n" for name, value in headers.items())
    account = "devstoreaccount1"
    text = f"PUT{12 * chr(10)}{stated}/{account}/{account}/{CONTAINER}\nrestype:container"
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(digest).decode()}"
    try:
        answer = requests.put(f"{url}/{account}/{CONTAINER}?restype=container", headers=headers, timeout=10)
    except requests.ConnectionError:
        return False
    answer.raise_for_status()
    return True


@contextmanager
def google() -> Iterator[dict[str, str]]:
    """Run a server with Google's XML API, with a bucket; yield the environment of its clients.

    It is moto's S3 server: the two differ in the header that states the condition of a write.
    """
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ, start_response):
        environ["HTTP_AUTHORIZATION"] = SIGNED
        if environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH") == "0":
            environ["HTTP_IF_NONE_MATCH"] = "*"
        return moto(environ, start_response)

    server = make_server("127.0.0.1", 0, application, threaded=True)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        requests.put(f"{url}/{CONTAINER}", timeout=10).raise_for_status()
        account = {"gcs_base_url": url, "disable_oauth": True}
        account |= {"client_email": "", "private_key": "", "private_key_id": ""}
        yield {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account)}
    finally:
        server.shutdown()
