"""Parts of messages: similar words, lists, and text from outside made safe to show.

Text from outside: names of models, classes and files, and words of libraries. Names in records are made safe
when a record is built or read, and messages when an error is raised. Reports only add what their format asks
for: Markdown, XML, HTML, YAML or workflow commands.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar, cast
from urllib.parse import unquote

T = TypeVar("T")
K = TypeVar("K")
HIDDEN = "***"
"""Stands for what may be a secret."""
MOST_CHARACTERS = 2000
"""Largest length of a line; quoted content of files can be much longer."""
MOST_OF_LINES = 20_000
"""Largest length of a text of several lines."""
_COMMAND = re.compile(r"(?<!\S):(?=:)|(?<=#)#(?=\[|vso\[)")
"""What CI systems take for a command: `::error::` at the start of a line, `##[error]` anywhere in it."""
_CREDENTIALS = re.compile(
    r"(?<=://)(?:(?<!az://)(?<!abfs://)(?<!abfss://)[^/?#\s:]*|[^/?#\s:]*:(?:[^/?#\s]*|(?!\d*[/?#])[^\s'\"]*))@"
)
"""User and password in an address, except for Azure's `container@account`.

A password may hold `@`, and by mistake `/`.
"""


def nearest(word: str, allowed: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the most similar allowed word, ignoring case; None if none is similar.

    Args:
        word: the word.
        allowed: the allowed words.
        cutoff: least share of common letters, in [0, 1].

    >>> nearest("RESNET50", ["clip-resnet50", "ResNet50"])
    'ResNet50'
    """
    names = list(allowed)
    same = [name for name in names if name.casefold() == word.casefold()]
    return next(iter(same or difflib.get_close_matches(word, names, n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return the suggestion of a similar word for the end of a message.

    Returns:
        `"Did you mean 'accuracy'?"`, or an empty string if no word is similar.

    >>> did_you_mean("acuracy", ["accuracy", "parameters"])
    "Did you mean 'accuracy'?"
    >>> did_you_mean("zzz", ["accuracy"])
    ''
    """
    near = nearest(word, allowed)
    return f"Did you mean '{near}'?" if near else ""


def needs(package: str, *, extra: str) -> str:
    """Return the end of a message about a package that needs an extra of quba-check.

    >>> needs("onnxruntime", extra="onnx")
    'needs onnxruntime, which is not installed. Install it: pip install "quba-check[onnx]".'
    """
    return f'needs {package}, which is not installed. Install it: pip install "quba-check[{extra}]".'


def listed(names: Iterable[str], at_most: int = 20) -> str:
    """Join names by commas, with a count of those after the first `at_most`.

    >>> listed(["a", "b", "c"], at_most=2)
    'a, b and 1 more'
    """
    names = list(names)
    first_names = ", ".join(names[:at_most])
    return first_names if len(names) <= at_most else f"{first_names} and {len(names) - at_most} more"


def grouped(pairs: Iterable[tuple[K, T]]) -> dict[K, list[T]]:
    """Return the second items of pairs in a list for each first one.

    >>> grouped([("masked", "fgsm"), ("missing", "fog"), ("masked", "pgd")])
    {'masked': ['fgsm', 'pgd'], 'missing': ['fog']}
    """
    groups: dict[K, list[T]] = {}
    for key, item in pairs:
        groups.setdefault(key, []).append(item)
    return groups


def known_names(name: str, names: Iterable[str]) -> dict[str, str]:
    """Return the pieces of an error about an unknown name.

    >>> known_names("acuracy", ["accuracy", "parameters"])
    {'allowed': 'accuracy, parameters', 'hint': "Did you mean 'accuracy'?"}
    """
    names = list(names)
    return {"allowed": listed(names), "hint": did_you_mean(name, names)}


def allowing(reason: str, allowed: str) -> str:
    """Return the reason of a missing value with what is allowed; reports end the sentence.

    >>> allowing("2 groups of images", "at least 10")
    '2 groups of images. Allowed: at least 10'
    """
    return f"{reason}. Allowed: {allowed}"


def one_line(text: str, most: int = MOST_CHARACTERS) -> str:
    r"""Return text for one line of any terminal or log.

    Escaped are control characters, line breaks, marks of direction, and starts of workflow commands. Long
    text is cut in the middle. Applied twice, it changes nothing more.

    Args:
        text: the text.
        most: largest length of the result.

    >>> print(one_line("got 'a\nb'"), one_line("\x1b[31mred"), one_line("::error::x"), one_line("abcdef", 4))
    got 'a\nb' \x1b[31mred \x3a:error::x ab…f
    """
    text = _COMMAND.sub(lambda match: f"\\x{ord(match[0]):x}", visible(_cut(text, most)))
    return _cut(text, most)


def visible(text: str, kept: str = "") -> str:
    r"""Return text of any length with escapes for characters that cannot be printed; blanks stay.

    Args:
        text: the text.
        kept: characters that stay, such as a line break.

    >>> print(visible("a\u202eb"))
    a\u202eb
    """
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable() or letter in kept or unicodedata.category(letter) == "Zs"
        else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def printable_lines(text: str) -> str:
    r"""Return a text of several lines, each as `one_line` returns it.

    >>> printable_lines("a\n::error::\x1b")
    'a\n\\x3a:error::\\x1b'
    """
    lines = _cut(text.replace("\r\n", "\n"), MOST_OF_LINES).split("\n")
    return "\n".join(map(one_line, lines))


def printable(value: T) -> T:
    """Return a value with `one_line` applied to each text in it, keys included."""
    match value:
        case str():
            return cast(T, one_line(value))
        case tuple() | list():
            return cast(T, type(value)(map(printable, value)))
        case dict():
            return cast(T, {printable(key): printable(item) for key, item in value.items()})
    if is_dataclass(value) and not isinstance(value, type):
        texts = {field.name: printable(getattr(value, field.name)) for field in fields(value)}
        return cast(T, replace(value, **texts))
    return value


def without_credentials(text: str, url: str = "") -> str:
    """Return text with `***` in place of user and password in addresses.

    Args:
        text: the text.
        url: an address whose user and password are also replaced where they stand without it.

    >>> without_credentials("s3://key:secret@host/bucket"), without_credentials("https://a.test/b@c")
    ('s3://***@host/bucket', 'https://a.test/b@c')
    >>> without_credentials("abfs://container@account/x"), without_credentials("abfs://c:secret@account")
    ('abfs://container@account/x', 'abfs://***@account')
    >>> without_credentials("no bucket 'key:secret@x', secret", "s3://key:secret@x")
    "no bucket '***@x', ***"
    """
    match = _CREDENTIALS.search(url)
    if match:
        credentials = match[0].removesuffix("@")
        user, _, password = credentials.partition(":")
        for secret in filter(None, (credentials, unquote(credentials), password or user, unquote(password))):
            text = text.replace(secret, HIDDEN)
    return _CREDENTIALS.sub(f"{HIDDEN}@", text)


def paths_as_typed(text: str, typed: Sequence[str]) -> str:
    """Return a message with relative paths for files below the current folder.

    Args:
        text: the message.
        typed: the words of the command line; absolute paths stay if one of them names the folder.
    """
    try:
        folder = os.getcwd()  # noqa: PTH109
    except OSError:  # the folder was removed
        return text
    if any(folder in word for word in typed):
        return text
    return re.sub(rf"(?<![\w/]){re.escape(folder)}[/\\](?=\S)", "", text)


def _cut(text: str, most: int) -> str:
    """Return text without its middle if it is too long."""
    if len(text) <= most:
        return text
    return f"{text[: most - most // 2]}…{text[len(text) - most // 2 + 1 :]}"
