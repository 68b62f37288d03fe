from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.number_format import format_distinct, format_gap, format_value, ordinal

NUMBERS = st.floats(-1000, 1000, allow_subnormal=False)


def test_figures():
    assert format_value(0.0, "fraction") == "0.000"
    assert format_value(0.0213, "fraction") == "0.0213"
    assert format_value(-0.412, "score") == "-0.412"
    assert format_value(0.5, "millions") == "0.500 M"
    assert format_value(4.9, "megabytes") == "4.900 MB"
    assert format_value(3.628, "gigaflops") == "3.628 GFLOPs"
    assert format_value(12.0, "images") == "12"


def test_format_distinct():
    assert format_distinct(0.0213, 0.01, "fraction") == ("0.0213", "0.0100")
    assert format_distinct(25.557032, 20, "millions") == ("25.557 M", "20.000 M")
    assert format_distinct(0.5, 0.5, "fraction") == ("0.500", "0.500")


def test_format_gap():
    assert format_gap(0.0213, 0.01, "fraction") == "0.0113"
    assert format_gap(25.557032, 20, "millions") == "5.557 M"
    assert format_gap(4.9, 5, "megabytes") == "0.100 MB"
    assert format_gap(0.49949, 0.49951, "fraction") == "0.00002", "never 0.000 for a difference"
    assert format_gap(640, 700, "images") == "60"


@settings(deadline=None, derandomize=True)
@given(NUMBERS, NUMBERS)
def test_different_numbers_look_different_and_have_a_distance(value, limit):
    shown, bound = format_distinct(value, limit, "ratio")
    if value == limit:
        return
    assert shown != bound
    gap = float(format_gap(value, limit, "ratio"))
    assert gap > 0


def test_ordinals():
    assert [ordinal(number) for number in (0, 1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 99.9, 100)] == [
        "0th", "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd", "99th", "100th",
    ]  # fmt: skip
