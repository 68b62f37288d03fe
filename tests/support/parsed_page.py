"""A page as a tree, for tests of its elements and texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "input", "link", "hr"}
HIDDEN = {"script", "style", "svg"}
CELLS = {"td", "th", "dt", "dd"}
BREAK = "\0"
BLOCKS = {
    *("section", "header", "details", "summary", "table", "caption", "tr", "ul", "li", "p", "div"),
    *("h1", "h2", "h3", "figure", "figcaption", "pre", "dl", "nav", "footer", "legend", "select"),
}


@dataclass
class Element:
    """An element with its attributes and content, in the order of the page."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Elements within it; `class_` is one of its classes, other attributes are equal."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self.walk()
            if tag in ("", element.tag) and all(element.has(name, value) for name, value in wanted.items())
        ]

    def one(self, tag: str = "", **attributes: str) -> Element:
        found = self.all(tag, **attributes)
        assert len(found) == 1, (tag, attributes, len(found))
        return found[0]

    def has(self, name: str, value: str) -> bool:
        own = self.attributes.get(name, "")
        return value in own.split() if name == "class" else own == value

    def walk(self) -> Iterator[Element]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child.walk()

    @property
    def text(self) -> str:
        """Its text with single blanks."""
        return " ".join(" ".join(self.texts()).split())

    @property
    def lines(self) -> str:
        """Its text with a line for each block and row; cells are apart by ` | `."""
        text = " ".join("".join(self._marked()).split())
        lines = (line.strip(" |") for line in text.split(BREAK))
        return "\n".join(filter(None, lines))

    def _marked(self) -> Iterator[str]:
        """Yield its texts with marks around blocks and cells; scripts, styles and drawings have none."""
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.tag not in HIDDEN:
                mark = BREAK if child.tag in BLOCKS else ""
                yield from (mark, *child._marked(), " | " if child.tag in CELLS else mark)

    def texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child.texts()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("root")
        self.stack = [self.root]
        self.unbalanced: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.stack[-1].children.append(element)
        if tag not in VOID:
            self.stack.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.stack[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if self.stack[-1].tag == tag:
            self.stack.pop()
        else:
            self.unbalanced.append(f"</{tag}> in <{self.stack[-1].tag}>")

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)


def parsed(html: str) -> Element:
    """The page as a tree; end tags that match no start tag fail the test."""
    reader = _Reader()
    reader.feed(html.replace("<wbr>", ""))
    reader.close()
    assert not reader.unbalanced, reader.unbalanced
    assert len(reader.stack) == 1, [element.tag for element in reader.stack]
    return reader.root
