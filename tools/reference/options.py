"""The page of options and commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping

import click

from quba_check.cli.main import quba_check
from quba_check.gate.options import OPTIONS
from tools.reference.markdown import block, code, codes, escaped, page, table

EXAMPLE = "Example:"
SHARED = ("help", "store")
"""Options of many commands, described once."""
PAGES: Mapping[str, str] = {
    "--model": "[models](models.md)",
    "--quba-thresholds": "[thresholds](thresholds.md)",
    "--quba-data": "[data](data.md)",
    "--quba-preprocessing": "[preprocessing](models.md#how-do-i-override-the-preprocessing)",
    "--quba-exact-preprocessing": "[resizing](models.md#which-code-resizes-the-images)",
    "--quba-protocol": "[protocols](protocols.md)",
    "--quba-precision": "[compute settings](saving-work.md#how-is-the-fastest-way-to-compute-chosen)",
    "--quba-compile": "[compute settings](saving-work.md#how-is-the-fastest-way-to-compute-chosen)",
    "--quba-early-stop": "[early stopping](saving-work.md#how-does-early-stopping-decide)",
    "--quba-limit": "[limits](saving-work.md#which-images-does-a-limit-choose)",
    "--quba-plan": "[the cost of a run](saving-work.md#what-will-a-run-cost)",
    "--quba-store": "[the store](saving-work.md#what-is-kept-between-runs)",
    "--quba-cache-gb": "[prepared images](saving-work.md#how-much-space-do-prepared-images-take)",
    "--quba-baseline": "[comparing](comparing.md)",
    "--quba-report": "[the record](reading-the-result.md#where-is-the-result-kept)",
    "--quba-markdown": "[the summary](ci.md#how-do-i-show-the-result-in-a-pull-request)",
    "--quba-html": "[the page](report.md)",
    "--quba-pictures": "[pictures](report.md#which-images-did-a-demand-fail-on)",
    "--quba-trust-pickle": "[security](security.md)",
    "init": "[data](data.md)",
    "doctor": "[doctor](doctor.md)",
    "fleet": "[fleets](fleets.md)",
    "verdict": "[exit codes](reading-the-result.md#what-does-the-exit-code-mean)",
    "summary": "[the summary](ci.md#how-do-i-show-the-result-in-a-pull-request)",
    "annotations": "[annotations](ci.md#how-do-i-mark-the-lines-of-the-threshold-file)",
    "rank": "[ranks](ranks.md)",
    "show": "[one published model](ranks.md#how-good-is-a-published-model)",
    "recommend": "[recommendations](study.md#which-published-model-meets-my-demands)",
    "explain": "[a record explained](study.md#what-is-my-model-good-and-bad-at)",
    "reproduce": "[measuring a published model](study.md#do-i-get-the-published-values)",
    "report": "[the page](report.md)",
    "study": "[the published models](study.md)",
    "lint": "[pre-commit](ci.md)",
    "badge": "[badge](exports.md#how-do-i-show-the-verdict-in-a-readme)",
    "model-card": "[model cards](exports.md#how-do-i-put-results-on-a-hugging-face-model-page)",
    "export": "[tables](exports.md#how-do-i-get-the-values-as-a-table)",
    "attest": "[attestation](attestation.md)",
    "compare": "[comparing](comparing.md)",
    "failures": "[failures](comparing.md#which-images-did-a-model-get-wrong)",
    "population": "[populations](score.md#which-populations-are-there)",
    "suite describe": "[data](data.md)",
    "suite make-object-focus": "[object_focus](data.md#i-have-no-images-for-object_focus)",
    "store list": "[the models of the store](saving-work.md#what-is-in-the-store)",
    "store verify": "[checksums](saving-work.md#is-the-store-intact)",
    "store prune": "[space](saving-work.md#how-do-i-free-space)",
    "status": "[running evaluations](saving-work.md#which-evaluations-are-running)",
    "what-if": "[other threshold files](tuning.md#would-a-run-pass-other-threshold-files)",
    "tune": "[thresholds from runs](tuning.md#which-thresholds-does-a-run-support)",
    "power": "[power](tuning.md#which-models-would-a-threshold-file-block)",
    "schema": "[file formats](reference/thresholds.md)",
}
"""The page on each option of pytest and each command."""


def options_page() -> str:
    """Return the page."""
    without_ini = [option.flag for option in OPTIONS if not option.has_ini]
    return page(
        "Options and commands",
        "## Which options does pytest take?",
        "An option can also stand in `pytest.ini` under its name with underscores: `quba_batch_size = 64`. "
        f"The command line takes precedence. {codes(without_ini)} stand on the command line only.",
        _pytest_options(),
        "Batch size and workers change at most the last bits of scores, if a model computes each image "
        "on its own. See [models that do not](models.md#what-happens-to-a-quantised-model).",
        "## Which commands does quba-check have?",
        "`quba-check COMMAND --help` prints the same. Commands that read records take `--store=DIR`, the "
        "store to search for per-image results, and `store` and `status` take it for the store itself.",
        table(
            ("command", "purpose", "page"),
            [
                (
                    f"[{code(name)}](#quba-check-{name.replace(' ', '-')})",
                    command.get_short_help_str(limit=200),
                    PAGES.get(name, ""),
                )
                for name, command in all_commands(quba_check)
            ],
        ),
        *(_command_section(name, command) for name, command in all_commands(quba_check)),
    )


def all_commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield the commands by name, those of groups as `suite describe`."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _pytest_options() -> str:
    rows = []
    for option in OPTIONS:
        flag = option.flag + (f"={option.metavar}" if option.metavar else "")
        older = f"; older name: {code(option.alias)}" if option.alias else ""
        link = f"; see {PAGES[option.flag]}" if option.flag in PAGES else ""
        rows.append((code(flag), _as_markdown(option.help) + older + link))
    return table(("option", "meaning"), rows)


def _command_section(name: str, command: click.Command) -> str:
    *groups, own_name = f"quba-check {name}".split()
    parent = click.Context(quba_check, info_name=" ".join(groups))
    context = click.Context(command, info_name=own_name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    gate = {flag for option in OPTIONS for flag in (option.flag, option.alias) if flag}
    options = [param for param in command.params if isinstance(param, click.Option)]
    rows = [
        _option_row(option)
        for option in options
        if not gate.intersection(option.opts) and option.name not in SHARED
    ]
    example = (command.epilog or "").strip().removeprefix(EXAMPLE).strip()
    parts = [
        f"### quba-check {name}",
        _as_markdown(inspect.cleandoc(command.help or "")),
        f"Usage: {code(usage)}",
        block(example) if example else "",
        table(("option", "meaning"), rows) if rows else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _option_row(option: click.Option) -> tuple[str, str]:
    longest = max(option.opts, key=len)
    value = "" if option.is_flag else f"={option.metavar or option.type.name.upper()}"
    flags = [longest + value, *(flag for flag in option.opts if flag != longest)]
    return codes(flags), _as_markdown(option.help or "") + ("; required" if option.required else "")


def _as_markdown(text: str) -> str:
    """Return help text with options and file names as code; paragraphs stay apart."""
    paragraphs = [escaped(paragraph).split() for paragraph in text.replace("\b", "").split("\n\n")]
    return "\n\n".join(" ".join(map(_word, words)) for words in paragraphs)


def _word(word: str) -> str:
    core = word.strip("()[],.;:")
    is_code = core.startswith(("--", "$")) or any(mark in core for mark in ("_", "<", ":"))
    is_code |= core.endswith((".json", ".yaml", ".csv", ".html", ".md", ".svg")) and len(core) > 5
    return word.replace(core, code(core), 1) if core and is_code and "`" not in core else word
