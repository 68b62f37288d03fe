"""One comment on a pull request, updated in place: python scripts/github_comment.py SUMMARY.md.

A hidden marker on the first line identifies the comment of an earlier run. Without the right to comment,
as for pull requests from forks, it prints a notice. Its exit code is always 0: a comment decides nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TIMEOUT = 30
"""Seconds for each request."""
PER_PAGE = 100
MOST_PAGES = 30
NO_RIGHT = (401, 403, 404)
"""Status codes of a token without the right to comment; GitHub hides what a token may not read."""
LONGEST = 65_000
"""Largest number of characters of a comment; GitHub allows 65,536."""


class GitHub:
    """The part of GitHub's REST API about the comments of a repository.

    Args:
        url: address of the API.
        repository: `owner/name`.
        token: token of the job.
    """

    def __init__(self, url: str, repository: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._repository = repository
        self._token = token

    def login(self) -> str | None:
        """Return the user of the token; None for the token of a job or an app."""
        try:
            return str(self._request("GET", "/user")["login"])
        except urllib.error.HTTPError:
            return None

    def comments(self, number: int) -> Iterator[dict[str, Any]]:
        """Yield the comments of a pull request, the oldest first."""
        for page in range(1, MOST_PAGES + 1):
            comments = self._request(
                "GET", f"/repos/{self._repository}/issues/{number}/comments?per_page={PER_PAGE}&page={page}"
            )
            yield from comments
            if len(comments) < PER_PAGE:
                return

    def create(self, number: int, body: str) -> None:
        """Write a new comment on a pull request."""
        self._request("POST", f"/repos/{self._repository}/issues/{number}/comments", {"body": body})

    def update(self, comment: int, body: str) -> None:
        """Replace the text of a comment."""
        self._request("PATCH", f"/repos/{self._repository}/issues/comments/{comment}", {"body": body})

    def _request(self, method: str, path: str, content: object = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self._url}{path}", data, method=method)  # noqa: S310  the runner's
        request.add_header("Accept", "application/vnd.github+json")
        request.add_header("X-GitHub-Api-Version", "2022-11-28")
        request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310  the runner's address
                return json.load(response)
        except urllib.error.HTTPError as error:
            error.close()
            raise


def marker(key: str) -> str:
    """Return a hidden line for a key, which cannot end it."""
    return f"<!-- quba-check {hashlib.sha256(key.encode()).hexdigest()[:16]} -->"


def write_comment(github: GitHub, number: int, mark: str, text: str) -> str:
    """Update the comment with a marker, or write one; return `updated` or `written`.

    A comment of somebody else with the same marker is left alone: its author could change it later.
    """
    login = github.login()
    body = f"{mark}\n{text}"[:LONGEST]
    for comment in github.comments(number):
        user = comment.get("user") or {}
        is_own = user.get("login") == login if login else user.get("type") == "Bot"
        if is_own and str(comment.get("body", "")).startswith(mark):
            github.update(comment["id"], body)
            return "updated"
    github.create(number, body)
    return "written"


def pull_request(path: str | None) -> int | None:
    """Return the number of the pull request of an event; None if it is about none."""
    if not path:
        return None
    event = json.loads(Path(path).read_text(encoding="utf-8"))
    number = (event.get("pull_request") or {}).get("number")
    return int(number) if number is not None else None


def main() -> int:
    """Comment on the pull request of the job with the text of a file."""
    environment = os.environ
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    try:
        number = pull_request(environment.get("GITHUB_EVENT_PATH"))
        if number is None:
            print("quba-check: the job is not about a pull request, so there is no comment")
            return 0
        server = environment.get("GITHUB_SERVER_URL", "")
        repository = environment.get("GITHUB_REPOSITORY", "")
        run = f"{server}/{repository}/actions/runs/{environment.get('GITHUB_RUN_ID', '')}"
        github = GitHub(
            environment.get("GITHUB_API_URL", "https://api.github.com"),
            repository,
            environment.get("QUBA_GITHUB_TOKEN", ""),
        )
        mark = marker(environment.get("QUBA_COMMENT_KEY", ""))
        action = write_comment(github, number, mark, f"{text}\n[Log and files of the run](<{run}>)\n")
        print(f"quba-check: comment {action} on pull request {number}")
    except urllib.error.HTTPError as error:
        if error.code in NO_RIGHT:
            print(
                f"::notice title=quba-check::No right to comment on the pull request (status {error.code}), "
                "as for forks. The summary of the job has the result."
            )
        else:
            print(f"::warning title=quba-check::The comment failed (status {error.code}).")
    except (OSError, ValueError, KeyError) as error:
        print(f"::warning title=quba-check::The comment failed ({type(error).__name__}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
