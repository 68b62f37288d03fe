from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.number_format import apart_by, figure, ordinal, told_apart

NUMBERS = st.floats(-1000, 1000, allow_subnormal=False)


def test_figures():
    assert figure(0.0, "fraction") == "0.000"
    assert figure(0.0213, "fraction") == "0.0213"
    assert figure(-0.412, "score") == "-0.412"
    assert figure(0.5, "millions") == "0.500 M"
    assert figure(12.0, "images") == "12"


def test_told_apart():
    assert told_apart(0.0213, 0.01, "fraction") == ("0.0213", "0.0100")
    assert told_apart(25.557032, 20, "millions") == ("25.557 M", "20.000 M")
    assert told_apart(0.5, 0.5, "fraction") == ("0.500", "0.500")


def test_apart_by():
    assert apart_by(0.0213, 0.01, "fraction") == "0.0113"
    assert apart_by(25.557032, 20, "millions") == "5.557 M"
    assert apart_by(0.49949, 0.49951, "fraction") == "0.00002", "never 0.000 for a difference"
    assert apart_by(640, 700, "images") == "60"


@settings(deadline=None, derandomize=True)
@given(NUMBERS, NUMBERS)
def test_different_numbers_look_different_and_have_a_distance(value, limit):
    shown, bound = told_apart(value, limit, "ratio")
    if value == limit:
        return
    assert shown != bound
    gap = float(apart_by(value, limit, "ratio"))
    assert gap > 0


def test_ordinals():
    assert [ordinal(number) for number in (0, 1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 99.9, 100)] == [
        "0th", "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd", "99th", "100th",
    ]  # fmt: skip
