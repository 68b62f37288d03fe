"""Write the reference pages and the schemas, or list those that are out of date (`--check`)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from quba_check.cli.schema import FILE, SCHEMAS, schema_text
from tools.reference.dimensions import dimensions_page
from tools.reference.errors import errors_page
from tools.reference.formats import files_page, record_page
from tools.reference.options import options_page
from tools.reference.python_api import python_page

DOCS = Path(__file__).parents[2] / "docs"
PAGES: Mapping[str, Callable[[], str]] = {
    "options.md": options_page,
    "reference/dimensions.md": dimensions_page,
    "reference/files.md": files_page,
    "reference/record.md": record_page,
    "reference/errors.md": errors_page,
    "reference/python.md": python_page,
}
"""The generated pages by path in docs/."""


def main() -> int:
    """Write all files. With `--check`, write nothing and return 1 if one is out of date."""
    pages = {DOCS / name: generate() for name, generate in PAGES.items()}
    pages |= {DOCS.with_name("schemas") / FILE.format(name): schema_text(name) for name in SCHEMAS}
    old = [path for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in old:
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(pages[path], encoding="utf-8")
    return int(bool(old) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
