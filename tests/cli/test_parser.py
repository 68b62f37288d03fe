"""Values that the types of options accept, and the one line that refuses others."""

import click
import pytest

from quba_check.cli.files import parse_population, parse_published_model
from quba_check.cli.main import main
from quba_check.cli.parser import Checked, parse_web_address
from quba_check.errors import OptionError
from quba_check.gate.options import (
    Parse,
    file_ending_in,
    number_within,
    one_of,
    parse_path,
    parse_place,
    whole_number,
)

ADDRESS = "Allowed: an address that begins with https:// or http://."
POPULATIONS = "Allowed: published, screened, demo, or a file that 'quba-check published population' made."
PUBLISHED = "Allowed: one of the 326 names in the published table, or the model's name in timm."


@pytest.mark.parametrize(
    ("parse", "value", "message"),
    [
        (parse_path, "", "got ''. Allowed: a value that is not empty."),
        (parse_path, "s3://b/out", "got the URL 's3://b/out'. Allowed: a path on this machine."),
        (
            parse_path,
            "~nobody-here/a.json",
            "got '~nobody-here/a.json', but the home folder of '~nobody-here' is not known. "
            "Allowed: a path without ~, or with the name of a user of this machine.",
        ),
        (file_ending_in(), "/dev/null", "/dev/null is a pipe or a device. Allowed: a file or a folder."),
        (parse_path, "x" * 300, f"{'x' * 300}: cannot be read (File name too long)."),
        (parse_place, "", "got ''. Allowed: a value that is not empty."),
        (file_ending_in(), ".", "got '.', a folder. Allowed: a file name."),
        (file_ending_in(".svg"), "a.png", "got 'a.png'. Allowed: a file name that ends in .svg."),
        (parse_web_address, "ci.example.org/7", f"got 'ci.example.org/7'. {ADDRESS}"),
        (parse_web_address, "https://[x", f"got 'https://[x'. {ADDRESS}"),
        (parse_web_address, "javascript:alert(1)", f"got 'javascript:alert(1)'. {ADDRESS}"),
        (whole_number(1), "0", "got '0'. Allowed: a whole number from 1."),
        (whole_number(1), "many", "got 'many'. Allowed: a whole number from 1."),
        (whole_number(1, 256), "999", "got '999'. Allowed: a whole number from 1 to 256."),
        (
            whole_number(1),
            "9" * 16,
            f"got '{'9' * 16}'. Allowed: a whole number from 1 to 999,999,999,999,999.",
        ),
        (number_within(0, 100), "101", "got '101'. Allowed: a number from 0 to 100."),
        (number_within(0, 10**6), "many", "got 'many'. Allowed: a number from 0 to 1,000,000."),
        (number_within(0, 4), "nan", "got 'nan'. Allowed: a number from 0 to 4."),
        (one_of("table", "json"), "jsn", "got 'jsn'. Allowed: table, json. Did you mean 'json'?"),
        (
            parse_population,
            "publishd",
            f"no such name or file, got 'publishd'. {POPULATIONS} Did you mean 'published'?",
        ),
        (parse_population, ".", f".: this is a folder, not a file. {POPULATIONS}"),
        (parse_published_model, "zzzz", f"there is no published model 'zzzz'. {PUBLISHED}"),
        (
            parse_published_model,
            "DeiT-c",
            f"there is no published model 'DeiT-c'. {PUBLISHED} Did you mean 'DeiT-t', 'DeiT-s', 'DeiT-b', "
            "'DeiT3-s', 'DeiT3-m'?",
        ),
    ],
)
def test_values_that_are_refused(parse: Parse, value: str, message: str) -> None:
    command = click.Command("x", params=[click.Option(["--of"], type=Checked(parse))])
    with pytest.raises(OptionError) as raised:
        command.make_context("x", ["--of", value])
    assert str(raised.value) == f"x: --of: {message}"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("attest r.json -o r.json", "--output"),
        ("attest r.json -o a.json --predicate r.json", "--predicate"),
        ("compare a.json r.json --flips r.json", "--flips"),
        ("failures a.json --baseline r.json --csv r.json", "--csv"),
        ("failures a.json --csv a.npz", "--csv"),
        ("published population a.json r.json -o r.json", "--output"),
        ("report a.json --to html -o a.html --baseline a.html", "--output"),
        ("report a.json r.json --to gitlab --source-url https://x.test -o r.json", "--output"),
    ],
)
def test_no_command_writes_over_a_record_that_it_reads(
    words: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 4
    given = words.rsplit(" ", 1)[1]
    message = f"{option}: got '{given}', which this command reads. Allowed: another file."
    assert capsys.readouterr() == ("", f"ERROR: {message}\n")
