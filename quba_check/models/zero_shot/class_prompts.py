"""Texts from which a zero-shot model learns the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from open_clip import IMAGENET_CLASSNAMES, OPENAI_IMAGENET_TEMPLATES
from timm.data import ImageNetInfo

from quba_check.core.prompts import PLACE, Prompts
from quba_check.messages import listed

PLAIN_TEMPLATE = f"a photo of a {PLACE}."
_SHOWN = 5


def class_prompts(classes: Sequence[str], prompts: Prompts) -> tuple[list[tuple[str, ...]], list[str]]:
    """Return the same number of texts for each class, and notes for the record.

    The name of a class is the one in the suite, else open_clip's name for its ImageNet synset, else the class
    itself with blanks for `_`. If the suite has no templates, ImageNet's classes get the templates published
    with CLIP, and other classes one plain template.

    Args:
        classes: the suite's classes.
        prompts: the suite's names and templates.

    Source: Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021,
    section 3.1.4, by the lists that open_clip ships.
    """
    synsets = dict(zip(ImageNetInfo().label_names(), IMAGENET_CLASSNAMES, strict=True))
    names = [prompts.names.get(label) or synsets.get(label) or label.replace("_", " ") for label in classes]
    sources = Counter(
        "the suite's names"
        if label in prompts.names
        else "open_clip's names for ImageNet"
        if label in synsets
        else "the classes' own names"
        for label in classes
    )
    if prompts.templates:
        templates, origin = prompts.templates, f"the suite's {_counted(prompts.templates)}"
    elif all(label in synsets for label in classes):
        templates = tuple(template(PLACE) for template in OPENAI_IMAGENET_TEMPLATES)
        origin = f"open_clip's {_counted(templates)} for ImageNet"
    else:
        templates = (PLAIN_TEMPLATE,)
        origin = f"'{PLAIN_TEMPLATE}', as the suite's manifest has no prompts.templates"
    named = listed(f"{source} ({count})" if len(sources) > 1 else source for source, count in sources.items())
    notes = [f"zero-shot texts: {named} in {origin}"]
    if shared := [name for name, times in Counter(names).items() if times > 1]:
        notes.append(f"classes of the same name cannot be distinguished: {listed(shared, _SHOWN)}")
    texts = Prompts(templates).texts
    return [texts(name) for name in names], notes


def _counted(templates: Sequence[str]) -> str:
    return f"{len(templates)} templates" if len(templates) > 1 else "template"
