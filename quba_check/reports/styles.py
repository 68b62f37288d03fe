"""Colours of verdicts on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from quba_check.reports.verdict_labels import Word

STYLES: Mapping[Word, str] = {
    "PASS": "green",
    "FAIL": "bold red",
    "UNCERTAIN": "bold yellow",
    "WARN": "yellow",
    "INFO": "cyan",
    "ALLOWED": "yellow",
    "SKIP": "dim",
    "NOT RUN": "magenta",
}
