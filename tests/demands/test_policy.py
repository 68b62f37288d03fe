import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.demands.policy import Policy, is_demonstrated

examples = settings(deadline=None, derandomize=True, max_examples=100)
p_values = st.floats(0.0001, 1)


def test_the_error_of_one_side():
    assert Policy(confidence=0.95).error == pytest.approx(0.025)


def holm(p, error):
    """The textbook procedure: from the smallest p-value on, until one exceeds its level."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    rejected = set()
    for place, i in enumerate(order):
        if p[i] > error / (len(p) - place):
            break
        rejected.add(i)
    return rejected


@given(st.lists(p_values, min_size=1, max_size=6), st.sampled_from([0.005, 0.025, 0.2]))
@examples
def test_is_holms_procedure(p, error):
    rejected = holm(p, error)
    for i, own in enumerate(p):
        assert is_demonstrated(own, p[:i] + p[i + 1 :], error) == (i in rejected)
