"""Shards in flight: outputs arrive in the order of images, and later requests are predicted ahead."""

from collections.abc import Generator, Iterable
from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.evaluations import Elsewhere
from support.shard_requests import request

from quba_check.core.protocols import ProtocolName
from quba_check.core.view import CLEAN, FGSM, View
from quba_check.engine.engine import Engine
from quba_check.engine.shards import ShardRequest, ShardResult, ShardTask, add_outputs
from quba_check.engine.worker import Worker
from quba_check.errors import ModelError
from quba_check.evaluation import Evaluation
from quba_check.suites.suite import Suite

ROOM = 3
SKETCH = View("sketch")
EDGE = View("edge")
PLAN = [SKETCH, EDGE, FGSM]


class InFlight(Elsewhere):
    """An executor with room for three shards."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self.taken: list[str] = []
        self.dropped: list[str] = []
        self.failing = ""

    def run(self, requests: Iterable[ShardRequest]) -> Generator[ShardResult, None, None]:
        requests = iter(requests)
        waiting = []
        try:
            while True:
                for request in islice(requests, ROOM - len(waiting)):
                    self.taken.append(str(request))
                    waiting.append(request)
                if not waiting:
                    return
                if str(waiting[0]) == self.failing:
                    raise ModelError(f"{waiting[0]}: cut")
                self.worker.verify(waiting[0])
                (predicted,) = self.worker.run([waiting[0]])
                waiting.pop(0)
                yield predicted
        finally:
            self.dropped += map(str, waiting)


@pytest.fixture
def elsewhere(demo_suite: Suite, tmp_path: Path) -> InFlight:
    return InFlight(Evaluation("demo", demo_suite, store=tmp_path / "worker").engine.worker)


@pytest.fixture
def engine(demo_suite: Suite, tmp_path: Path, elsewhere: InFlight) -> Engine:
    return engine_of(demo_suite, tmp_path, elsewhere)


def engine_of(suite: Suite, folder: Path, elsewhere: InFlight, protocol: ProtocolName = "standard") -> Engine:
    own = Evaluation("demo", suite, store=folder / "driver", protocol=protocol)
    return Engine(own.classifier, own.engine.contents, own.store, own.protocol, executor=elsewhere)


def test_shards_of_later_requests_are_in_flight(engine: Engine, elsewhere: InFlight) -> None:
    engine.predictions([SKETCH], PLAN)
    assert "edge, shard 0" in elsewhere.taken
    engine.predictions([EDGE], PLAN)
    engine.predictions([FGSM], PLAN)
    assert len(elsewhere.taken) == len(set(elsewhere.taken))
    assert elsewhere.dropped == []


def test_stopping_drops_them_and_frees_their_locks(engine: Engine, elsewhere: InFlight) -> None:
    engine.predictions([SKETCH], [EDGE, FGSM])
    engine.stop()
    assert elsewhere.dropped
    engine.predictions([EDGE, FGSM])  # would wait for ever for a lock that is held
    assert set(elsewhere.dropped) <= set(elsewhere.taken)


def test_two_engines_of_one_process_do_not_wait_for_each_other(
    engine: Engine, elsewhere: InFlight, tmp_path: Path
) -> None:
    """The same shards under two protocols: one engine has them in flight when the other one needs them."""
    other = engine_of(engine.suite, tmp_path, InFlight(elsewhere.worker), "released")
    engine.predictions([SKETCH], [EDGE, FGSM])
    in_flight = set(elsewhere.taken) - {"sketch, shard 0"}
    assert "edge, shard 0" in in_flight
    assert len(other.predictions([EDGE])[EDGE].index) == 150
    assert len(engine.predictions([EDGE, FGSM])[FGSM].index) == 400


def test_a_faulty_view_is_reported_by_its_own_request(engine: Engine, elsewhere: InFlight) -> None:
    elsewhere.failing = "edge, shard 0"
    assert len(engine.predictions([SKETCH], PLAN)[SKETCH].index) == 150
    with pytest.raises(ModelError, match=r"^edge, shard 0: cut$"):
        engine.predictions([EDGE], PLAN)
    assert len(engine.predictions([FGSM], PLAN)[FGSM].index) == 400


def test_one_iterator_is_open_at_a_time(
    engine: Engine, elsewhere: InFlight, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    run = elsewhere.run

    def counted(requests: Iterable[ShardRequest]) -> Generator[ShardResult, None, None]:
        opened.append(True)
        assert len(opened) == 1
        try:
            yield from run(requests)
        finally:
            opened.pop()

    monkeypatch.setattr(elsewhere, "run", counted)
    engine.predictions([SKETCH], PLAN)
    engine.store.remove(engine.cache_keys.shard_key(SKETCH, 0))
    engine.predictions([SKETCH], PLAN)  # predicts what was removed
    engine.predictions([EDGE], PLAN)
    engine.predictions([FGSM], PLAN)


def task(number: int, count: int, view=CLEAN) -> ShardTask:
    return ShardTask(request(view, number, [None] * count), None)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(data=st.data(), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_any_order_of_images_gives_the_same_outputs(data: st.DataObject, sizes: list[int]) -> None:
    tasks = [task(number, size) for number, size in enumerate(sizes)]
    owners = [(one, position) for one in tasks for position in range(len(one.examples))]
    shuffled = data.draw(st.permutations(owners))
    complete = []
    start = 0
    while start < len(shuffled):
        stop = start + data.draw(st.integers(1, 5))
        batch = shuffled[start:stop]
        values = torch.tensor([100 * one.request.key.shard + position for one, position in batch])
        complete += add_outputs(batch, {"value": values})
        assert complete == [one for one in complete if one.is_complete]
        start = stop
    assert sorted(one.request.key.shard for one in complete) == list(range(len(sizes)))
    for one, size in zip(tasks, sizes, strict=True):
        assert (one.outputs["value"] - 100 * one.request.key.shard).tolist() == list(range(size))
