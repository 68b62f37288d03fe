"""Markdown as HTML, with its tags and texts."""

from html.parser import HTMLParser

from markdown_it import MarkdownIt


class Parts(HTMLParser):
    """The tags of an HTML text, and its text by tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        self._open.append(tag)
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for tag in self._open:
            self.texts[tag][-1] += data


def rendered(markdown: str) -> Parts:
    return Parts(MarkdownIt("commonmark").enable("table").render(markdown))
