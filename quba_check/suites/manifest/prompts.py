"""The prompts that a manifest defines, for zero-shot models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from quba_check.core.prompts import PLACE, Prompts
from quba_check.errors import SuiteError, did_you_mean, listed
from quba_check.strict_yaml import Document, Location, describe, dotted_path
from quba_check.suites.manifest.schema import PromptsEntry

_SHOWN_CLASSES = 10


def defined_prompts(
    document: Document, entry: PromptsEntry | None, classes: Callable[[], Sequence[str]]
) -> Prompts:
    """What stands under `prompts`.

    Args:
        document: the manifest, for lines.
        entry: its `prompts`; None where there are none.
        classes: gives the model's classes; called only where names are given.

    Raises:
        SuiteError: a template has no place for the name, a class is unknown, a name is empty or given
            twice.
    """
    if entry is None:
        return Prompts()
    _check_templates(document, entry.templates)
    if entry.names:
        _check_names(document, entry.names, classes())
    return Prompts(tuple(entry.templates or ()), entry.names)


def _check_templates(document: Document, templates: list[str] | None) -> None:
    location: Location = ("prompts", "templates")
    if templates == []:
        raise _wrong(document, location, "got an empty list. Allowed: one template or more.")
    for number, template in enumerate(templates or ()):
        if PLACE not in template:
            raise _wrong(
                document,
                (*location, number),
                f"has no place for the name of the class, got {describe(template)}. "
                "Allowed: text with {} in it, such as 'a photo of a {}.'.",
            )


def _check_names(document: Document, names: dict[str, str], classes: Sequence[str]) -> None:
    known, taken = set(classes), dict[str, str]()
    for key, name in names.items():
        location: Location = ("prompts", "names", key)
        if key not in known:
            allowed = listed(classes, _SHOWN_CLASSES)
            raise SuiteError(
                f"{document.at_key(location)}: prompts.names: unknown class '{key}'."
                f"{did_you_mean(key, classes)} Allowed: {allowed}."
            )
        if not name.strip():
            raise _wrong(document, location, "got an empty name. Allowed: text.")
        if name in taken:
            raise _wrong(document, location, f"'{name}' is the name of '{taken[name]}' already.")
        taken[name] = key


def _wrong(document: Document, location: Location, text: str) -> SuiteError:
    return SuiteError(f"{document.at(location)}: {dotted_path(location)}: {text}")
