"""Colours of verdicts on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from quba_check.reports.judged import Word

STYLES: Mapping[Word, str] = {
    "PASS": "green",
    "FAIL": "bold red",
    "WARN": "yellow",
    "INFO": "cyan",
    "SKIP": "dim",
    "NOT RUN": "magenta",
}
