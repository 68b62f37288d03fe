"""The page of options and commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping

import click

from quba_check.cli.main import quba_check
from quba_check.cli.report import ReportCommand, format_rows
from quba_check.gate.options import OPTIONS, SHORT_FLAG
from tools.reference.markdown import code, codes, escaped, page, table

SHARED = ("help", "store")
"""Options of many commands, described once."""
PAGES: Mapping[str, str] = {
    "--quba-model": "[models](models.md)",
    "--quba-thresholds": "[thresholds](thresholds.md)",
    "--quba-data": "[data](data.md)",
    "--quba-preprocessing": "[preprocessing](models.md#how-do-i-override-the-preprocessing)",
    "--quba-exact-preprocessing": "[resizing](models.md#which-code-resizes-the-images)",
    "--quba-protocol": "[protocols](dimensions.md#which-protocols-are-there)",
    "--quba-precision": "[settings](performance.md#which-settings-does-a-pass-take)",
    "--quba-runtime": "[settings](performance.md#which-settings-does-a-pass-take)",
    "--quba-classes": "[table](result.md#how-well-is-each-class-recognised)",
    "--quba-limit": "[limits](performance.md#how-do-i-save-time)",
    "--quba-model-version": "[server](models.md#how-do-i-judge-a-model-behind-a-server)",
    "--quba-plan": "[plan](performance.md#what-will-a-run-cost)",
    "--quba-store": "[store](store.md)",
    "--quba-cache-gb": "[prepared images](store.md#how-much-space-do-prepared-images-take)",
    "--quba-executor": "[many machines](many-machines.md)",
    "--quba-baseline": "[baseline](comparing.md#how-do-i-keep-the-last-release-as-a-baseline)",
    "--quba-first-release": "[baseline](comparing.md#how-do-i-keep-the-last-release-as-a-baseline)",
    "--quba-no-looser": "[baseline](comparing.md#how-do-i-notice-demands-that-vanish)",
    "--quba-record": "[record](result.md#where-is-the-result-kept)",
    "--quba-markdown": "[summary](ci.md#how-do-i-show-the-result-in-a-pull-request)",
    "--quba-html": "[page](result.md#how-do-i-make-a-page)",
    "--quba-pictures": "[pictures](result.md#which-images-did-a-demand-fail-on)",
    "--quba-trust-pickle": "[security](security.md)",
    "init": "[data](data.md)",
    "doctor": "[doctor](doctor.md)",
    "verdict": "[exit codes](result.md#what-does-the-exit-code-mean)",
    "approve": "[baseline](comparing.md#how-do-i-approve-a-release)",
    "compare": "[comparing](comparing.md)",
    "failures": "[wrong images](comparing.md#which-images-did-a-model-get-wrong) and [slices](slices.md)",
    "report": "[page](result.md#how-do-i-make-a-page) and "
    "[other formats](result.md#how-do-i-show-the-result-in-other-tools)",
    "attest": "[compliance](compliance.md)",
    "lint": "[pre-commit](ci.md#how-do-i-check-threshold-files-before-a-commit) and "
    "[differences](thresholds.md#which-models-would-a-threshold-file-block)",
    "tune": "[tuning](thresholds.md#which-thresholds-does-a-run-support)",
    "what-if": "[other files](thresholds.md#would-a-run-pass-other-threshold-files)",
    "schema": "[file formats](reference/files.md)",
    "published rank": "[ranks](published-models.md#which-rank-has-my-model)",
    "published show": "[one model](published-models.md#how-good-is-a-published-model)",
    "published recommend": "[recommendations](published-models.md#which-published-model-meets-my-demands)",
    "published study": "[statistics](published-models.md#what-does-the-published-table-show)",
    "published reproduce": "[reproduction](published-models.md#do-i-get-the-published-values)",
    "published population": "[populations](dimensions.md#which-populations-are-there)",
    "suite describe": "[data](data.md)",
    "suite check": "[clean images](data.md#are-my-images-clean)",
    "suite make-object-focus": "[object_focus](data.md#i-have-no-images-for-object_focus)",
    "store list": "[its content](store.md#what-is-in-the-store)",
    "store verify": "[checksums](store.md#is-the-store-intact)",
    "store prune": "[space](store.md#how-do-i-free-space)",
}
"""The page on each option of pytest and each command."""


def options_page() -> str:
    """Return the page."""
    without_ini = [SHORT_FLAG, *(option.flag for option in OPTIONS if not option.has_ini)]
    commands = dict(all_commands(quba_check))
    return page(
        "Options and commands",
        "## Which options does pytest take?",
        "An option can also stand in `pytest.ini` under its name with underscores: `quba_batch_size = 64`. "
        "The command line takes precedence, and an unknown key that starts with `quba_` is refused. "
        f"{codes(without_ini)} stand on the command line only.",
        "`--model` is short for `--quba-model`. If a `conftest.py` or another plugin of your project has an "
        "option `--model`, the name is its own, and only `--quba-model` names the model to judge.",
        _pytest_options(),
        "Batch size and threads change at most the last bits of scores, except in "
        "[some models](models.md#what-happens-to-a-quantised-model).",
        "## Which commands does quba-check have?",
        "`quba-check COMMAND --help` prints more, with an example. Commands that read records take "
        "`--store=DIR`, the store to search for per-image results; `store` takes it for the store itself.",
        *(_command_section(*each) for each in commands.items()),
    )


def all_commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield the commands by name, those of groups as `suite describe`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{prefix}{name} ")
        elif command is not None:
            yield f"{prefix}{name}", command


def _pytest_options() -> str:
    rows = []
    for option in OPTIONS:
        flags = [SHORT_FLAG, option.flag] if option.field == "models" else [option.flag]
        flags = [flag + (f"={option.metavar}" if option.metavar else "") for flag in flags]
        link = f"; {PAGES[option.flag]}" if option.flag in PAGES else ""
        rows.append(f"- {codes(flags)}: {_as_markdown(option.help)}{link}")
    return "\n".join(rows)


def _command_section(name: str, command: click.Command) -> str:
    gate = {option.flag for option in OPTIONS}
    options = [
        _option_line(option)
        for option in command.params
        if isinstance(option, click.Option)
        and not gate.intersection(option.opts)
        and option.name not in SHARED
    ]
    purpose = _as_markdown(inspect.cleandoc(command.help or "").partition("\n\n")[0])
    parts = [
        f"### quba-check {name}",
        f"{purpose.removesuffix('.')} ({PAGES[name]})." if name in PAGES else purpose,
        "\n".join(options),
    ]
    if isinstance(command, ReportCommand):
        rows = [
            (code(name), _as_markdown(purpose), codes(flags))
            for name, purpose, flags in format_rows(command.params)
        ]
        parts.append(table(("`--to`", "content", "options that it reads"), rows))
    return "\n\n".join(part for part in parts if part)


def _option_line(option: click.Option) -> str:
    longest = max(option.opts, key=len)
    value = "" if option.is_flag else f"={option.metavar or option.type.name.upper()}"
    flags = [longest + value, *(flag for flag in option.opts if flag != longest)]
    return f"- {codes(flags)}: {_as_markdown(option.help or '')}" + ("; required" if option.required else "")


def _as_markdown(text: str) -> str:
    """Return help text with options and file names as code; paragraphs stay apart."""
    paragraphs = [escaped(paragraph).split() for paragraph in text.replace("\b", "").split("\n\n")]
    return "\n\n".join(" ".join(map(_word, words)) for words in paragraphs)


def _word(word: str) -> str:
    core = word.strip("()[],.;:")
    is_code = core.startswith(("--", "$")) or any(mark in core for mark in ("_", "<", ":"))
    is_code |= core.endswith((".json", ".yaml", ".csv", ".html", ".md", ".svg")) and len(core) > 5
    return word.replace(core, code(core), 1) if core and is_code and "`" not in core else word
