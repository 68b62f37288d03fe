"""All pages: their links lead somewhere, the index names each, and the options they use exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from quba_check.cli.main import COMMANDS
from quba_check.gate.options import OPTIONS, SHORT_FLAG

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), *DOCS]
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
MOST_BYTES = 150_000
"""Largest size of a picture."""
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        path = page.parent / target if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            yield f"{page.name}: {target}#{anchor}"


def test_links_lead_somewhere() -> None:
    assert [link for page in PAGES for link in broken_links(page)] == []


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {index.parent / target for target, _ in LINK.findall(index.read_text("utf-8"))}
    assert sorted({*DOCS} - linked - {index}) == []


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "README.md"], ids=["start", "docs"])
def test_pictures_are_small_and_described(page: Path) -> None:
    pictures = re.findall(r"^!\[(.*)\]\((.*)\)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [Path(path).name for _, path in pictures] == ["demo.svg", "page.webp"]
    for text, path in pictures:
        assert len(text.split()) > 8
        assert (page.parent / path).stat().st_size <= MOST_BYTES


def test_only_options_that_exist() -> None:
    known = {option.flag for option in OPTIONS} | {SHORT_FLAG}
    for page in (ROOT / "README.md", *DOCS):
        used = set(re.findall(r"--(?:quba-[a-z-]+|model)\b", page.read_text(encoding="utf-8")))
        assert used <= known, page.name


def test_nothing_assumes_a_published_package() -> None:
    """Commands install from a checkout or a wheel, except those that check a release."""
    files = [*PAGES, *(path for path in (ROOT / "examples").rglob("*") if path.is_file())]
    published = re.compile(r"pip install\b[^\n`]*?[ \"']quba-check\b")
    installing = [path.name for path in files if published.search(path.read_text(encoding="utf-8"))]
    assert installing == ["RELEASING.md"]


def test_only_commands_that_exist() -> None:
    for page in PAGES:
        if page.name == "CHANGELOG.md":  # names the commands of earlier versions
            continue
        text = page.read_text(encoding="utf-8")
        lines = "".join(re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
        used = re.findall(r"^(?:\$ )?quba-check ([a-z][a-z-]+)", lines, re.MULTILINE)
        used += re.findall(r"`quba-check ([a-z][a-z-]+)", text)
        assert set(used) <= {*COMMANDS}, page.name
