"""Calls of workers of Ray that die, are lost, fail or never start, without Ray's processes."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray")

from ray.exceptions import RuntimeEnvSetupError
from support.errors import error_text
from support.fake_ray import WAITING, Actor, Behaviour, FakeRay, died, unavailable
from support.shard_requests import request
from syrupy.assertion import SnapshotAssertion

from quba_check.core.view import CLEAN
from quba_check.engine.shards import ShardRequest, ShardResult
from quba_check.errors import ModelError, OptionError, QubaError, SuiteError
from quba_check.executors.ray import pool as ray_pool
from quba_check.executors.ray.pool import RayExecutor, RayPool
from quba_check.models.compute import ComputeSettings


def spec(key: str = "one", device: str = "auto") -> Any:
    return SimpleNamespace(spec="net", key=key, request=SimpleNamespace(device=device))


def shard_request(number: int) -> ShardRequest:
    return request(CLEAN, number)


def predicted(given: ShardRequest) -> ShardResult:
    return ShardResult(given, b"%d" % given.key.shard, "logits")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an executor whose workers behave as told, and the stand-in for Ray."""

    def started(behaviour: Behaviour, *nodes: str) -> tuple[RayExecutor, FakeRay]:
        def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
            answer = behaviour(actor, name, arguments)
            return usual(actor, name, arguments) if answer is None else answer

        fake = FakeRay(behave, nodes or ("a", "b"))
        monkeypatch.setattr(ray_pool, "connect", lambda *_: (fake, True))
        return RayPool("").executor(spec()), fake

    return started


def requests(*numbers: int) -> Iterator[ShardRequest]:
    return map(shard_request, range(*numbers))


def shards(answers: Iterator[ShardResult]) -> list[int]:
    return sorted(answer.request.key.shard for answer in answers)


def predict(executor: RayExecutor, *numbers: int) -> list[int]:
    """Predict shards of a range; return those that were."""
    return shards(executor.run(requests(*numbers)))


def calls_of(actor: Actor) -> list[int]:
    """The shards that a worker was asked for."""
    return [arguments[1].key.shard for name, arguments in actor.calls if name == "predict"]


def on(method: str, answer: Any, *, shard: int | None = None, worker: int | None = None) -> Behaviour:
    """Answer a method so, for one shard or by one worker alone; all else is as usual."""

    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        is_meant = name == method and worker in (None, actor.number)
        return answer if is_meant and (shard is None or arguments[1].key.shard == shard) else None

    return behave


def nothing(*_: object) -> None:
    """Behave as usual."""


def usual(_: Actor, name: str, arguments: tuple[Any, ...]) -> ShardResult | None:
    return predicted(arguments[1]) if name == "predict" else None


def test_all_shards_are_predicted_once_by_all_workers(start: Any) -> None:
    executor, fake = start(nothing)
    assert executor.name == "ray"
    assert predict(executor, 9) == list(range(9))
    assert executor.name == "ray, 2 workers"
    given = [len(calls_of(actor)) for actor in fake.actors]
    assert sum(given) == 9
    assert min(given) > 0
    assert {arguments[0].key for name, arguments in fake.actors[0].calls if name == "predict"} == {"one"}
    assert fake.options["num_cpus"] == 1
    executor._pool.close()
    assert fake.is_shut_down
    assert all(actor.is_killed for actor in fake.actors)


def test_workers_have_two_shards_each_and_others_are_not_pulled(start: Any) -> None:
    pulled: list[int] = []

    executor, _ = start(nothing)
    run = executor.run(pulled.append(request.key.shard) or request for request in requests(100))
    next(run)
    assert len(pulled) <= 4
    run.close()
    assert len(pulled) <= 4


def test_the_shards_of_a_dead_worker_are_predicted_by_another(start: Any) -> None:
    executor, fake = start(on("predict", died(), worker=0))
    assert predict(executor, 6) == list(range(6))
    assert fake.actors[0].is_killed
    assert len(fake.actors) == 3


def test_a_shard_that_kills_three_workers_is_given_up(start: Any) -> None:
    executor, fake = start(on("predict", died(), shard=3))
    text = error_text(ModelError, predict, executor, 6)
    assert re.fullmatch(
        r"clean, shard 3: 3 workers died while they worked on it, the last on host\d, process 10\d: Its "
        r"worker process died\. If memory is the reason, set a smaller --quba-batch-size\.",
        text,
    )
    killed = [actor.number for actor in fake.actors if 3 in calls_of(actor)]
    assert len(killed) == 3
    assert {fake.node_of(number) for number in killed} == {"a", "b"}


def test_a_shard_is_not_given_up_for_another_that_kills_its_workers(start: Any) -> None:
    deaths = 0

    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        nonlocal deaths
        if name == "predict" and arguments[1].key.shard == 0 and deaths < 2:
            deaths += 1
            return died()
        return died() if name == "predict" and actor.number == 0 else None

    executor, fake = start(behave)
    assert predict(executor, 4) == [0, 1, 2, 3]
    had = [calls_of(actor) for actor in fake.actors]
    assert deaths == 2
    assert had[0] == [0, 2]  # both may be the reason, so each is repeated alone
    assert sum(shards.count(0) for shards in had) == 3
    assert sum(shards.count(2) for shards in had) == 2


def test_a_worker_on_a_machine_that_is_gone_is_no_strike(start: Any) -> None:
    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "predict" and "a" not in fake.dead:
            fake.dead.add("a")
            return died("The actor died because its node has died.")
        return None

    executor, fake = start(behave, "a", "b")
    assert predict(executor, 3) == [0, 1, 2]
    assert all(fake.node_of(actor.number) == "b" for actor in fake.actors[2:])


def test_broken_connections_end_too(start: Any) -> None:
    executor, _ = start(on("predict", unavailable()))
    with pytest.raises(ModelError, match="shard 0: 3 workers died while they worked on it"):
        predict(executor, 1)


def test_an_error_of_a_worker_is_raised_and_the_other_shards_are_dropped(start: Any) -> None:
    cut = on("predict", SuiteError("a.jpg: cut"), shard=0)
    waiting = on("predict", WAITING)
    executor, fake = start(lambda *call: cut(*call) or waiting(*call))
    with pytest.raises(SuiteError, match=r"^a\.jpg: cut$"):
        predict(executor, 4)
    assert not any(worker.calls for worker in executor._pool.workers)
    fake.behaviour = usual
    assert predict(executor, 5) == list(range(5))


def test_workers_that_die_before_they_answer_are_given_up(start: Any) -> None:
    executor, fake = start(on("machine", died()))
    message = r"^--quba-executor=ray: each worker died 3 times without an answer: Its worker process died\.$"
    with pytest.raises(OptionError, match=message):
        predict(executor, 3)
    assert len(fake.actors) == 6  # three times on both machines
    with pytest.raises(OptionError, match=message):  # at once, for each later demand
        predict(executor, 3)
    assert len(fake.actors) == 6
    fake.behaviour = usual
    assert predict(executor._pool.executor(spec("other")), 3) == [0, 1, 2]


def test_one_worker_that_cannot_load_the_model_is_left_out(start: Any) -> None:
    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        is_small = fake.node_of(actor.number) == "a"
        return died() if name == "predict" and is_small else None

    executor, fake = start(behave, "a", "b")
    assert predict(executor, 9) == list(range(9))


def test_a_worker_of_another_version_is_refused(start: Any) -> None:
    refused = OptionError("worker on host0: quba-check is 1.0, but 2.0 where the run was started.")
    executor, fake = start(on("machine", refused))
    for _ in range(2):
        with pytest.raises(OptionError, match=r"^worker on host0: quba-check is 1\.0"):
            predict(executor, 3)
    assert not any(name == "predict" for actor in fake.actors for name, _ in actor.calls)


CANNOT_START = died(
    "ray::RayWorker.__init__()\n           ^^^^^^\nModuleNotFoundError: No module named 'quba_check'"
)
CANNOT_START._actor_init_failed = True
NO_ENVIRONMENT = RuntimeEnvSetupError(
    "Failed.\nTraceback (most recent call last):\n  File x\nNo such package"
)


@pytest.mark.parametrize(
    "answer", [WAITING, CANNOT_START, NO_ENVIRONMENT], ids=["none runs", "imports", "environment"]
)
def test_workers_that_never_run(
    start: Any, answer: Any, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes = iter(range(0, 600, 6))
    monkeypatch.setattr(ray_pool, "time", SimpleNamespace(monotonic=lambda: 60 * next(minutes)))
    executor, _ = start(on("machine", answer))
    assert error_text(OptionError, predict, executor, 3) == snapshot


def test_settings_are_chosen_by_a_worker(start: Any) -> None:
    settings = ComputeSettings(precision="bf16", requested="auto")
    deaths = iter([died(), settings])
    executor, fake = start(lambda actor, name, arguments: next(deaths) if name == "choose_compute" else None)
    assert executor.choose_compute(CLEAN) == settings
    assert len(fake.actors) == 3


def test_workers_that_die_of_the_choice(start: Any) -> None:
    executor, _ = start(on("choose_compute", died()))
    with pytest.raises(ModelError, match=r"^clean: 3 workers died while they worked on it, the last on host"):
        executor.choose_compute(CLEAN)


def test_shards_of_a_changed_model(start: Any) -> None:
    key = shard_request(1).key

    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "changed":
            return {0: died(), 1: [key]}[actor.number] if arguments == ("one",) else []
        return None

    executor, _ = start(behave)
    assert executor.changed() == []  # nothing was started
    predict(executor, 6)
    assert executor.changed() == [key]
    assert executor._pool.executor(spec("other")).changed() == []


def test_a_run_without_requests_starts_nothing(start: Any) -> None:
    executor, fake = start(nothing)
    assert shards(executor.run(iter(()))) == []
    assert fake.actors == []


def test_two_runs_of_different_models_at_once(start: Any) -> None:
    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        return ShardResult(arguments[1], b"", arguments[0].key) if name == "predict" else None

    executor, _ = start(behave)
    first = executor.run(requests(8))
    results = [next(first)]
    others = list(executor._pool.executor(spec("other")).run(requests(8)))
    results += first
    assert [answer.outputs for answer in results] == ["one"] * 8
    assert [answer.outputs for answer in others] == ["other"] * 8


def test_an_error_belongs_to_the_run_of_its_shard_request(start: Any) -> None:
    executor, _ = start(on("predict", SuiteError("a.jpg: cut"), shard=2))
    first = executor.run(requests(6))
    next(first)
    assert predict(executor, 10, 13) == [10, 11, 12]
    with pytest.raises(SuiteError):
        shards(first)


def test_a_gpu_by_number_is_refused(start: Any, snapshot: SnapshotAssertion) -> None:
    executor, _ = start(nothing)
    assert error_text(OptionError, executor._pool.executor, spec(device="cuda:1")) == snapshot


def test_a_cluster_that_cannot_be_used_is_asked_once(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    executor, _ = start(nothing)
    calls: list[int] = []

    def refused(*_: Any) -> tuple[Any, bool]:
        calls.append(1)
        raise OptionError("no cluster")

    monkeypatch.setattr(ray_pool, "connect", refused)
    for _ in range(2):
        with pytest.raises(QubaError, match="no cluster"):
            predict(executor, 3)
    assert len(calls) == 1
    executor._pool.close()


def test_workers_that_died_while_nobody_looked_are_waited_for(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(ray_pool, "time", SimpleNamespace(monotonic=lambda: now))

    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        return died() if name == "predict" and now and actor.number < 2 else None

    executor, fake = start(behave)
    assert predict(executor, 4) == list(range(4))
    now = 3600.0
    assert predict(executor, 4) == list(range(4))
    assert len(fake.actors) == 4
