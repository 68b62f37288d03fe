"""A run on two machines of a Ray cluster, one of which is removed: nothing is lost, nothing differs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray")

from acceptance.runs import Finished, Project, ended, wait_for
from ray.cluster_utils import Cluster
from support.tiny import write_suite

PER_CLASS = 400
"""Clean images of a class: five shards, so that both machines have work."""
GATE = """\
schema: 1
name: gate
dimensions:
  accuracy: {min: 0.5}
  adversarial_robustness: {min: 0.0, parts: {pgd: {min: 0.0}}}
  ood_robustness: {min: 0.1}
  calibration_error: {max: 0.9}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("shards") / "data", PER_CLASS)


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Project:
    project = Project.at(tmp_path_factory.mktemp("serial") / "project", data, GATE)
    assert project.run("--quba-record=record.json").code == 0
    return project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Project:
    return Project.at(tmp_path_factory.mktemp("nodes") / "project", data, GATE)


@pytest.fixture(scope="module")
def run(project: Project) -> Iterator[Finished]:
    """A run on two machines. The first worker that is half-way hangs, and its machine is removed."""
    flag = project.root / "half-way"
    notes = project.root / "passes"
    settings = {"OMP_NUM_THREADS": "1", "NETS_NOTES": str(notes), "NETS_TRAP": f"hang {PER_CLASS} {flag}"}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1, env_vars=settings) for _ in range(2)]
        process = project.start("--quba-record=record.json", f"--quba-executor=ray:{cluster.address}")
        wait_for(flag, process)
        while not (parent := flag.read_text(encoding="utf-8")).endswith("\n"):
            pass
        raylets = [node.all_processes["raylet"][0].process.pid for node in nodes]
        cluster.remove_node(nodes[raylets.index(int(parent))], allow_graceful=False)
        yield ended(process)
    finally:
        cluster.shutdown()


def test_the_record_is_that_of_one_process(run: Finished, project: Project, serial: Project) -> None:
    assert (run.code, run.err) == (0, "")
    records = project.record(), serial.record()
    for record in records:
        record["command"] = record["environment"]["time"] = None
    assert records[0] == records[1]


def test_each_shard_is_present_once(run: Finished, project: Project, serial: Project) -> None:
    shards, expected = (
        sorted(path.relative_to(where.store) for path in where.store.glob("predictions/*/*"))
        for where in (project, serial)
    )
    assert shards == expected


def test_the_orders_of_the_lost_worker_were_repeated(
    run: Finished, project: Project, serial: Project
) -> None:
    assert project.passes()["forward"] > serial.passes()["forward"]


def test_nothing_of_ray_is_printed(run: Finished) -> None:
    assert "raylet" not in run.out
