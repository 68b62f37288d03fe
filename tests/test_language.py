"""The words of styles/QubaCheck/Words.yml appear in no document, docstring, comment or message."""

import ast
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
WORDS = ROOT / "styles" / "QubaCheck" / "Words.yml"
PAGES = ("README", "ARCHITECTURE", "CHANGELOG", "CODE_OF_CONDUCT", "CONTRIBUTING", "RELEASING", "SECURITY")
MODULES = sorted((ROOT / "quba_check").rglob("*.py"))
FILES = sorted(
    [
        *(ROOT / f"{page}.md" for page in PAGES),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "changelog.d").glob("*.md"),
        *(ROOT / "thresholds").glob("*.yaml"),
        *(ROOT / "quba_check").rglob("*.yaml"),
        *MODULES,
    ]
)
QUESTION_WORDS = ("What", "Whether", "Where", "Why", "How", "Which")
MAX_WORDS = 15
FENCE = re.compile(r"^ *(`{3,}|~{3,}).*?^ *\1`*$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"(`+).+?\1", re.DOTALL)
LINK_TARGET = re.compile(r"\]\([^)]*\)|<[^>\s]+>|https?://\S+")
EXAMPLE = re.compile(r"^ *>>> .*?(?=^\s*$|\Z)", re.MULTILINE | re.DOTALL)


class Prose(NamedTuple):
    """A text for readers, and the line of its file that it starts in."""

    line: int
    text: str


def read_words() -> dict[re.Pattern[str], str]:
    """The rule's patterns, in which a space also matches a line break, and their replacements."""
    swap: dict[str, str] = YAML(typ="safe").load(WORDS)["swap"]
    patterns = [rf"\b(?:{word})\b".replace(" ", r"\s+") for word in swap]
    return {
        re.compile(pattern, re.IGNORECASE): swap[word] for pattern, word in zip(patterns, swap, strict=True)
    }


AVOIDED = read_words()
ANY_AVOIDED = re.compile("|".join(pattern.pattern for pattern in AVOIDED), re.IGNORECASE)


def without_code(text: str) -> str:
    """The text with code, examples and link targets blanked out; line breaks stay."""
    for pattern in (FENCE, EXAMPLE, INLINE_CODE, LINK_TARGET):
        text = pattern.sub(lambda code: re.sub(r"\S", " ", code.group()), text)
    return text


def comments(source: str) -> Iterator[Prose]:
    """The comments of a module; those on consecutive lines are one text."""
    if "#" not in source:
        return
    tokens = tokenize.generate_tokens(StringIO(source).readline)
    block: list[str] = []
    first = 0
    for token in tokens:
        if token.type != tokenize.COMMENT:
            continue
        if block and token.start[0] != first + len(block):
            yield Prose(first, "\n".join(block))
            block = []
        first = first if block else token.start[0]
        block.append(token.string.lstrip("#"))
    yield Prose(first, "\n".join(block))


def strings(node: ast.AST) -> Iterator[Prose]:
    """The string literals below a node, docstrings and the fixed text of f-strings among them."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        yield Prose(node.lineno, "".join(parts))
        children = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
    else:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Prose(node.lineno, node.value)
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from strings(child)


def prose_of(path: Path) -> Iterator[Prose]:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield Prose(1, text)
        return
    yield from comments(text)
    # A string without a space is a key, a name or an option.
    yield from (prose for prose in strings(parsed(text)) if " " in prose.text)


parsed = cache(ast.parse)


def hits(prose: Prose) -> Iterator[tuple[int, str]]:
    """The line of each avoided word, and a message that names its replacement."""
    if not ANY_AVOIDED.search(prose.text):
        return
    text = without_code(prose.text)
    for pattern, replacement in AVOIDED.items():
        for match in pattern.finditer(text):
            word = " ".join(match.group().split())
            yield prose.line + text.count("\n", 0, match.start()), f"{word} → {replacement}"


def hits_of(path: Path) -> list[str]:
    """The avoided words of a file as `path:line: word → replacement`."""
    name = path.relative_to(ROOT).as_posix()
    rows = sorted(hit for prose in prose_of(path) for hit in hits(prose))
    return [f"{name}:{line}: {message}" for line, message in rows]


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """The statement, or module, and those in it."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from statements(child)


def unclear_docstrings(source: str) -> Iterator[str]:
    """The first lines of docstrings that are long or begin with a question word, with their line numbers."""
    for node in statements(parsed(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            words = (ast.get_docstring(node) or " ").splitlines()[0].split()
            if words and (words[0] in QUESTION_WORDS or len(words) > MAX_WORDS):
                yield f"{getattr(node, 'lineno', 1)}: {' '.join(words)}"


def test_words_to_avoid() -> None:
    assert [hit for path in FILES for hit in hits_of(path)] == []


def test_first_lines_are_short_and_no_questions() -> None:
    texts = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in MODULES}
    assert {path: found for path, text in texts.items() if (found := [*unclear_docstrings(text)])} == {}


def test_only_errors_and_messages_write_what_is_allowed() -> None:
    """All others pass it to an error as `allowed`, or to `messages.allowing`."""
    composers = {ROOT / "quba_check" / name for name in ("errors.py", "messages.py")}
    assert [
        f"{path.relative_to(ROOT)}:{prose.line}"
        for path in MODULES
        if path not in composers
        for prose in strings(parsed(path.read_text(encoding="utf-8")))
        if "Allowed:" in prose.text
    ] == []


# The checker itself.


@pytest.mark.parametrize(
    ("sentence", "hit"),
    [
        ("The file beside the record.", "beside → next to, in addition to"),
        ("Beside it.", "Beside → next to, in addition to"),
        ("Values are held\n  to a bound.", "held to → checked against"),
        ("Both are told apart.", "told apart → distinguished"),
        ("An error is told in one line.", "told → reported"),
        ("It lets us down.", "lets us down → fails"),
        ("As many images of a set as before.", "As many images of a set as → the same number of"),
        ("Each model in turn.", "in turn → one after another"),
        ("Common errors; then other mistakes.", "mistakes → errors"),
        ("The preparation of images.", "preparation → preprocessing"),
        ("A dimension of a user's own.", "of a user's own → custom, user-defined"),
    ],
)
def test_a_word_to_avoid_is_reported(sentence: str, hit: str) -> None:
    assert [message for _, message in hits(Prose(1, sentence))] == [hit]


@pytest.mark.parametrize(
    "sentence",
    [
        "They are held together by a foretold besides.",
        "Twice as many images as before.",
        "This in turn is cached. It is turned, which in turn costs time.",
        "A user's mistake, and the usual mistakes.",
        "It goes on the GPU.",
        "Two passes over the data.",
        "Code: `beside` and ``told anew``, [a link](docs/beside.md), <https://example.org/beside>.",
        "```python\nbeside = told\n```",
        "   ```yaml\n   beside: told\n   ```",
        ">>> beside\n'told'\n\nAfter the example.",
    ],
)
def test_other_uses_and_code_are_not_reported(sentence: str) -> None:
    assert not list(hits(Prose(1, sentence)))


def test_lines_of_a_page(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# Title\n\n```console\n$ beside\n```\n\nOne line.\nSkipped anew.\n", encoding="utf-8")
    assert [hit for prose in prose_of(path) for hit in hits(prose)] == [(8, "anew → again")]


def test_lines_of_a_module(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    lines = [
        '"""A module.',
        "",
        "It stands beside another.",
        '"""',
        'beside = {"beside": "told"}  # these are names and keys',
        "# A comment that ends in held",
        "# to, on two lines.",
        """text = f"{beside['anew at all']} is told {beside} times\"""",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert sorted(hit for prose in prose_of(path) for hit in hits(prose)) == [
        (3, "beside → next to, in addition to"),
        (6, "held to → checked against"),
        (8, "anew → again"),
        (8, "told → reported"),
    ]


def test_docstrings_are_judged_by_their_first_line() -> None:
    long = " ".join(["word"] * (MAX_WORDS + 1))
    source = f'"""Whether it is."""\ndef f():\n    """{long}\n\n    What else.\n    """\n'
    source += 'def g():\n    """Short.\n\n    Which else.\n    """\n'
    assert [*unclear_docstrings(source)] == ["1: Whether it is.", f"2: {long}"]
