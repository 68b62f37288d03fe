from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.demands import DEMO_THRESHOLDS, read_thresholds
from quba_check.demo.suite import demo_root
from quba_check.suites import open_suite


def test_every_dimension_and_the_grade_are_demanded(own_store) -> None:
    facts = open_suite(demo_root(own_store)).facts
    thresholds = read_thresholds(DEMO_THRESHOLDS, label="quba_check/demo/thresholds.yaml", suite=facts)
    demanded = {demand.dimension for demand in thresholds.demands if demand.tier == "block"}
    assert demanded == {*PUBLISHED_DIMENSIONS, "quba"}
    assert thresholds.protocol == "standard"
    assert thresholds.quba.population == "demo"
