"""Values that the types of options accept, and the one line that refuses others."""

from __future__ import annotations

from typing import Any

import click
import pytest

from quba_check.cli.main import main
from quba_check.cli.parser import (
    INPUT,
    OUTPUT,
    PLACE,
    WEB_ADDRESS,
    NumberWithin,
    OutputFile,
    WholeNumber,
    usage_message,
)
from quba_check.cli.populations import POPULATION, PUBLISHED_MODEL

ADDRESS = "Allowed: an address that begins with https:// or http://."
POPULATIONS = "Allowed: published, screened, demo, or a file that 'quba-check population' made."
PUBLISHED = "Allowed: one of the 326 names in the published table, or the model's name in timm."


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (INPUT, "", "got ''. Allowed: a path."),
        (INPUT, "s3://b/out", "got the URL 's3://b/out'. Allowed: a path on this machine."),
        (
            INPUT,
            "~nobody-here/a.json",
            "got '~nobody-here/a.json', but the home folder of '~nobody-here' is not known. "
            "Allowed: a path without ~, or with the name of a user of this machine.",
        ),
        (OUTPUT, "/dev/null", "/dev/null is a pipe or a device. Allowed: a file or a folder."),
        (INPUT, "x" * 300, f"{'x' * 300}: cannot be read (File name too long). See 'x --help'."),
        (PLACE, "", "got ''. Allowed: a path."),
        (OUTPUT, ".", "got '.', a folder. Allowed: a file name."),
        (OutputFile(".svg"), "a.png", "got 'a.png'. Allowed: a file name that ends in .svg."),
        (WEB_ADDRESS, "ci.example.org/7", f"got 'ci.example.org/7'. {ADDRESS}"),
        (WEB_ADDRESS, "https://[x", f"got 'https://[x'. {ADDRESS}"),
        (WEB_ADDRESS, "javascript:alert(1)", f"got 'javascript:alert(1)'. {ADDRESS}"),
        (WholeNumber(1), "0", "got '0'. Allowed: a whole number from 1."),
        (WholeNumber(1), "many", "got 'many'. Allowed: a whole number from 1."),
        (WholeNumber(1, 256), "999", "got '999'. Allowed: a whole number from 1 to 256."),
        (
            WholeNumber(1),
            "9" * 16,
            f"got '{'9' * 16}'. Allowed: a whole number from 1 to 999,999,999,999,999.",
        ),
        (NumberWithin(0, 100), "101", "got '101'. Allowed: a number from 0 to 100."),
        (NumberWithin(0, 10**6), "many", "got 'many'. Allowed: a number from 0 to 1,000,000."),
        (NumberWithin(0, 4), "nan", "got 'nan'. Allowed: a number from 0 to 4."),
        (click.Choice(["table", "json"]), "jsn", "got 'jsn'. Allowed: table, json. Did you mean 'json'?"),
        (
            POPULATION,
            "publishd",
            f"no such name or file, got 'publishd'. {POPULATIONS} Did you mean 'published'?",
        ),
        (POPULATION, ".", f".: this is a folder, not a file. {POPULATIONS}"),
        (PUBLISHED_MODEL, "zzzz", f"there is no published model 'zzzz'. {PUBLISHED}"),
        (
            PUBLISHED_MODEL,
            "DeiT-c",
            f"there is no published model 'DeiT-c'. {PUBLISHED} Did you mean 'DeiT-t', 'DeiT-s', 'DeiT-b', "
            "'DeiT3-s', 'DeiT3-m'?",
        ),
    ],
)
def test_values_that_are_refused(kind: click.ParamType[Any], value: str, message: str) -> None:
    command = click.Command("x", params=[click.Option(["--of"], type=kind)])
    with pytest.raises(click.UsageError) as raised:
        command.make_context("x", ["--of", value])
    assert usage_message(raised.value) == f"x: --of: {message}"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("annotations r.json --format github -o r.json", "--output"),
        ("attest r.json -o r.json", "--output"),
        ("attest r.json -o a.json --predicate r.json", "--predicate"),
        ("badge r.svg -o r.svg", "--output"),
        ("compare a.json r.json --flips r.json", "--flips"),
        ("export r.json --to csv -o r.json", "--output"),
        ("failures a.json --baseline r.json --csv r.json", "--csv"),
        ("population a.json r.json -o r.json", "--output"),
        ("report r.html -o r.html", "--output"),
        ("summary r.json -o r.json", "--output"),
    ],
)
def test_no_command_writes_over_a_record_that_it_reads(
    words: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 4
    given = words.rsplit(" ", 1)[1]
    message = f"{option}: got '{given}', which this command reads. Allowed: another file."
    assert capsys.readouterr() == ("", f"ERROR: {message}\n")


def test_the_per_image_file_of_a_record_is_read_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["failures", "a.json", "--csv", "a.npz"]) == 4
    assert capsys.readouterr().err == (
        "ERROR: --csv: got 'a.npz', which this command reads. Allowed: another file.\n"
    )
