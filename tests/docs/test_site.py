"""The docs site: it builds strictly, shows every page, and loads nothing from elsewhere."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from ruamel.yaml import YAML

import quba_check

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "mkdocs.yml"
LOADED = {"data", "href", "poster", "src", "srcset", "xlink:href"}
"""Attributes of what a browser loads by itself, except for links."""
REMOTE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"(?:url\(|@import)\s*[\"']?\s*((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)


def files_of(entries: list[Any]) -> Iterator[str]:
    """The pages of a navigation, in order."""
    for entry in entries:
        value = entry if isinstance(entry, str) else next(iter(entry.values()))
        if isinstance(value, str):
            yield value
        else:
            yield from files_of(value)


def navigation() -> list[Any]:
    config: dict[str, Any] = YAML(typ="safe").load(CONFIG)
    return list(config["nav"])


def test_the_navigation_has_every_page_once_by_kind() -> None:
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(files_of(navigation())) == sorted(pages)
    kinds = [next(iter(entry)) for entry in navigation()]
    assert kinds == ["Overview", "Tutorial", "How-to", "Reference", "Explanation"]


class Loads(HTMLParser):
    """Collects what a page makes a browser load, the ids of its elements, and its links."""

    def __init__(self) -> None:
        super().__init__()
        self.remote: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        if tag == "a" and (target := values.get("href")):
            self.links.append(target)
        self._in_style = tag == "style"
        is_link = tag == "a" or values.get("rel") in ("canonical", "prev", "next")
        for name in LOADED & values.keys() if not is_link else ():
            if REMOTE.match(values[name] or ""):
                self.remote.append(f"<{tag} {name}={values[name]}>")
        self.remote += IN_STYLES.findall(values.get("style") or "")

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.remote += IN_STYLES.findall(data)


def loads_of(text: str) -> Loads:
    parser = Loads()
    parser.feed(text)
    return parser


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )


def copy_sources(folder: Path) -> None:
    shutil.copytree(ROOT / "docs", folder / "docs")
    shutil.copy(CONFIG, folder)
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "formulas.py", folder / "tools")
    package = Path(quba_check.__file__).parent
    shutil.copytree(
        package, folder / "quba_check", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors")
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs-site")
    copy_sources(folder)
    built = build(folder)
    assert built.returncode == 0, built.stdout
    return folder / "site"


def test_every_page_is_built(site: Path) -> None:
    for name in files_of(navigation()):
        built = site / name.replace("README.md", "index.md").replace(".md", ".html")
        assert "<h1" in built.read_text(encoding="utf-8"), name


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    pages = {page: loads_of(page.read_text(encoding="utf-8")) for page in sorted(site.rglob("*.html"))}
    broken = []
    for page, loads in pages.items():
        for link in loads.links:
            target, _, anchor = unquote(link).partition("#")
            path = (page.parent / target).resolve() if target else page
            path = path / "index.html" if path.is_dir() else path
            if page.name == "404.html" or REMOTE.match(link) or link.startswith("mailto:"):
                continue
            if path not in pages or (anchor and anchor not in pages[path].ids):
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere_and_no_source_is_published(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    styles = sorted(site.rglob("*.css"))
    assert len(pages) > 20
    assert styles
    assert {page.name: found for page in pages if (found := loads_of(page.read_text("utf-8")).remote)} == {}
    assert {style.name for style in styles if IN_STYLES.search(style.read_text("utf-8"))} == set()
    assert list(site.rglob("*.py")) == []


def test_the_api_is_filled_in_and_its_examples_are_code(site: Path) -> None:
    """Without the heading "Examples:", Markdown takes `>>>` for quotations."""
    text = (site / "reference" / "python.html").read_text(encoding="utf-8")
    assert {f"quba_check.{name}" for name in quba_check.__all__} <= loads_of(text).ids
    assert "&gt;&gt;&gt;" in text
    assert "<blockquote" not in text


def test_formulas_are_mathematics(site: Path) -> None:
    """MathML, which browsers draw without a script: nine dimensions with ten formulas, and the metrics."""
    for name, fewest in (("dimensions.html", 11), ("reference/python.html", 5)):
        text = (site / name).read_text(encoding="utf-8")
        assert text.count("<math ") >= fewest
        assert "\\frac" not in text


def test_dimensions_have_the_addresses_that_reports_link_to(site: Path) -> None:
    ids = loads_of((site / "dimensions.html").read_text(encoding="utf-8")).ids
    assert {"accuracy", "adversarial_robustness", "calibration_error", "parameters"} <= ids


@pytest.mark.parametrize(
    "html",
    [
        '<link rel="stylesheet" href="https://fonts.example/x.css">',
        '<script src="//cdn.example/x.js"></script>',
        '<img src="http://example.org/x.png">',
        "<style>@import 'https://example.org/x.css';</style>",
        '<p style="background: url(https://example.org/x.png)"></p>',
    ],
)
def test_the_scan_finds_what_loads(html: str) -> None:
    assert loads_of(html).remote


def test_the_scan_allows_links() -> None:
    assert not loads_of('<a href="https://arxiv.org/abs/2503.17110">x</a><img src="images/x.svg">').remote
