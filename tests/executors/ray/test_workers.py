"""Orders of workers of Ray that die, are lost, fail or never start, without Ray's processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray")

from support.fake_ray import WAITING, Actor, Behaviour, FakeRay, died, unavailable

from quba_check.core.view import CLEAN
from quba_check.engine.order import Order, Predicted
from quba_check.errors import ModelError, OptionError, QubaError, SuiteError
from quba_check.executors.choice import ExecutorChoice
from quba_check.executors.ray import workers as ray_workers
from quba_check.executors.ray.cluster import Connection
from quba_check.executors.ray.pool import RayPool
from quba_check.executors.settings import RaySettings
from quba_check.models.compute import PLAIN, ComputeSettings
from quba_check.storage.shard import ShardKey


def recipe(key: str = "one", device: str = "auto") -> Any:
    return SimpleNamespace(spec="net", key=key, request=SimpleNamespace(device=device))


def order(shard: int) -> Order:
    return Order((CLEAN,), shard, {CLEAN: ShardKey("entry", shard, "content", range(1))}, (), (), PLAIN, None)


def predicted(given: Order) -> Predicted:
    return Predicted(given, {CLEAN: b"%d" % given.shard}, "logits")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a pool whose workers behave as told, and the stand-in for Ray."""

    def started(behaviour: Behaviour, *nodes: str, **settings: Any) -> tuple[RayPool, FakeRay]:
        def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
            answer = behaviour(actor, name, arguments)
            return predicted(arguments[0]) if answer is None and name == "predict" else answer

        fake = FakeRay(behave, nodes or ("a", "b"))
        monkeypatch.setattr(ray_workers, "connect", lambda *_: Connection(fake, is_ours=True))
        return RayPool(ExecutorChoice("ray"), RaySettings(**settings)), fake

    return started


def shards(answers: Iterator[Predicted]) -> list[int]:
    return sorted(answer.order.shard for answer in answers)


def test_all_orders_are_predicted_once_by_all_workers(start: Any) -> None:
    pool, fake = start(lambda *_: None)
    executor = pool.executor(recipe())
    assert executor.name == "ray"
    assert shards(executor.run(map(order, range(9)))) == list(range(9))
    assert executor.name == "ray, 2 workers"
    given = [[name for name, _ in actor.calls].count("predict") for actor in fake.actors]
    assert sum(given) == 9
    assert min(given) > 0
    assert [arguments for name, arguments in fake.actors[0].calls if name == "load"] == [(recipe(), 1)]
    assert fake.options["num_cpus"] == 1
    pool.close()
    assert fake.is_shut_down
    assert all(actor.is_killed for actor in fake.actors)


def test_workers_have_two_orders_each_and_others_are_not_pulled(start: Any) -> None:
    pulled: list[int] = []

    def orders() -> Iterator[Order]:
        for shard in range(100):
            pulled.append(shard)
            yield order(shard)

    pool, _ = start(lambda actor, name, arguments: None)
    run = pool.executor(recipe()).run(orders())
    next(run)
    assert len(pulled) <= 4
    run.close()
    assert len(pulled) <= 4


def test_the_orders_of_a_dead_worker_are_predicted_by_another(start: Any) -> None:
    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        return died() if name == "predict" and actor.number == 0 else None

    pool, fake = start(behave)
    assert shards(pool.executor(recipe()).run(map(order, range(6)))) == list(range(6))
    assert fake.actors[0].is_killed
    assert len(fake.actors) == 3


def test_an_order_that_kills_three_workers_is_given_up(start: Any) -> None:
    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        return died() if name == "predict" and arguments[0].shard == 3 else None

    pool, fake = start(behave)
    done: list[int] = []
    with pytest.raises(ModelError) as error:
        done += [answer.order.shard for answer in pool.executor(recipe()).run(map(order, range(6)))]
    assert re.fullmatch(
        r"clean, shard 3: 3 workers died while they predicted it, the last on host\d, process 10\d: Its "
        r"worker process died\. If memory is the reason, set a smaller --quba-batch-size\.",
        str(error.value),
    )
    had = [
        {arguments[0].shard for name, arguments in actor.calls if name == "predict"} for actor in fake.actors
    ]
    killed = [shards for shards in had if 3 in shards]
    assert len(killed) == 3
    assert 3 in killed[0]
    nodes = [fake.node_of(number) for number, shards in enumerate(had) if 3 in shards]
    assert set(nodes) == {"a", "b"}


def test_an_order_is_not_given_up_for_another_that_kills_its_workers(start: Any) -> None:
    deaths = 0

    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        nonlocal deaths
        if name == "predict" and arguments[0].shard == 0 and deaths < 2:
            deaths += 1
            return died()
        return None

    pool, fake = start(behave)
    assert shards(pool.executor(recipe()).run(map(order, range(4)))) == [0, 1, 2, 3]
    had = [[call[0].shard for name, call in actor.calls if name == "predict"] for actor in fake.actors]
    assert deaths == 2
    assert had[0] == [0, 2]  # both may be the reason, so each is repeated alone
    assert sum(shards.count(0) for shards in had) == 3
    assert sum(shards.count(2) for shards in had) == 2


def test_machines_that_are_lost_are_no_strikes(start: Any) -> None:
    lost = 0

    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        nonlocal lost
        if name == "predict" and lost < 5:
            lost += 1
            return unavailable()
        return None

    pool, _ = start(behave)
    assert shards(pool.executor(recipe()).run(map(order, range(3)))) == [0, 1, 2]


def test_a_worker_on_a_machine_that_is_gone_is_no_strike(start: Any) -> None:
    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "predict" and "a" not in fake.dead:
            fake.dead.add("a")
            return died("The actor died because its node has died.")
        return None

    pool, fake = start(behave, "a", "b")
    executor = pool.executor(recipe())
    assert shards(executor.run(map(order, range(3)))) == [0, 1, 2]
    assert all(fake.node_of(actor.number) == "b" for actor in fake.actors[2:])


def test_losses_end_too(start: Any) -> None:
    pool, _ = start(lambda actor, name, arguments: unavailable() if name == "predict" else None)
    with pytest.raises(ModelError, match="shard 0: 20 workers died while they predicted it"):
        shards(pool.executor(recipe()).run(map(order, range(1))))


def test_an_error_of_a_worker_is_raised_and_the_other_orders_are_dropped(start: Any) -> None:
    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        if name != "predict":
            return None
        return SuiteError("a.jpg: cut") if arguments[0].shard == 0 else WAITING

    pool, fake = start(behave)
    executor = pool.executor(recipe())
    with pytest.raises(SuiteError, match=r"^a\.jpg: cut$"):
        shards(executor.run(map(order, range(4))))
    # Workers with dropped orders have no room until those are done, since errors of those would hit others.
    assert all(not slot.has_room for slot in executor._workers.slots)
    for slot in executor._workers.slots:
        for answer in slot.dropped:
            answer.value = predicted(order(1))
    fake.behaviour = lambda actor, name, arguments: predicted(arguments[0])
    assert shards(executor.run(map(order, range(5)))) == list(range(5))


def test_a_worker_that_dies_with_dropped_orders_is_replaced(start: Any) -> None:
    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        return WAITING if name == "predict" and arguments[0].shard == 7 else None

    pool, fake = start(behave)
    executor = pool.executor(recipe())
    run = executor.run(map(order, range(8)))
    for _ in range(7):
        next(run)
    run.close()
    dropped = [answer for slot in executor._workers.slots for answer in slot.dropped]
    dropped[0].value = died()
    assert shards(executor.run(map(order, range(3)))) == [0, 1, 2]
    assert len(fake.actors) == 3


def test_a_model_that_kills_its_workers_is_given_up(start: Any) -> None:
    pool, fake = start(lambda actor, name, arguments: died() if name == "load" else None)
    executor = pool.executor(recipe())
    message = r"^net: 3 workers died while they loaded it: Its worker process died\.$"
    with pytest.raises(ModelError, match=message):
        shards(executor.run(map(order, range(3))))
    assert len(fake.actors) == 6  # three times on both machines
    with pytest.raises(ModelError, match=message):  # at once, for each later demand
        shards(executor.run(map(order, range(3))))
    assert len(fake.actors) == 6


def test_one_worker_that_cannot_load_the_model_is_left_out(start: Any) -> None:
    pool, _ = start(
        lambda actor, name, arguments: died() if name == "load" and actor.number != 1 else None, "a", "b"
    )
    executor = pool.executor(recipe())
    assert shards(executor.run(map(order, range(9)))) == list(range(9))
    assert executor.name in {"ray, 1 worker", "ray, 2 workers"}


def test_a_worker_with_another_model_is_refused(start: Any) -> None:
    refused = ModelError("worker on host0: torch is 1.0, but 2.0 where the run was started.")
    pool, fake = start(lambda actor, name, arguments: refused if name == "load" else None)
    executor = pool.executor(recipe())
    for _ in range(2):
        with pytest.raises(ModelError, match=r"^worker on host0: torch is 1\.0"):
            shards(executor.run(map(order, range(3))))
    assert sum(name == "load" for actor in fake.actors for name, _ in actor.calls) == 2
    fake.behaviour = lambda actor, name, arguments: predicted(arguments[0]) if name == "predict" else None
    assert shards(pool.executor(recipe("other")).run(map(order, range(3)))) == [0, 1, 2]


def test_a_line_when_no_worker_runs(start: Any) -> None:
    pool, _ = start(lambda actor, name, arguments: WAITING if name == "machine" else None, wait_minutes=1e-9)
    with pytest.raises(OptionError) as error:
        shards(pool.executor(recipe()).run(map(order, range(3))))
    assert str(error.value) == (
        "--quba-executor=ray: no worker has run for 1e-09 minutes. Each needs 1 CPU; the cluster has 2 CPU "
        "and 0 GPU in all. Add machines or free some, or set ray.wait_minutes in --quba-executor-settings."
    )


def test_a_line_when_workers_cannot_start(start: Any) -> None:
    error = died(
        "ray::RayWorker.__init__()\n           ^^^^^^\nModuleNotFoundError: No module named 'quba_check'"
    )
    error._actor_init_failed = True
    pool, _ = start(lambda actor, name, arguments: error if name == "machine" else None)
    with pytest.raises(OptionError) as raised:
        shards(pool.executor(recipe()).run(map(order, range(3))))
    assert str(raised.value).startswith(
        "--quba-executor=ray: a worker cannot start: ModuleNotFoundError: No module named 'quba_check'"
    )
    assert str(raised.value).endswith(
        "Install quba-check on each machine, or name it in ray.runtime_env of --quba-executor-settings."
    )


def test_a_line_when_the_environment_cannot_be_made(start: Any) -> None:
    import ray.exceptions

    error = ray.exceptions.RuntimeEnvSetupError(
        "Failed.\nTraceback (most recent call last):\n  File x\nNo such package"
    )
    pool, fake = start(
        lambda actor, name, arguments: error if name == "machine" else None, runtime_env={"pip": ["nothing"]}
    )
    with pytest.raises(OptionError) as raised:
        shards(pool.executor(recipe()).run(map(order, range(3))))
    assert str(raised.value) == (
        "--quba-executor-settings: ray.runtime_env cannot be set up on a machine: No such package."
    )
    assert "runtime_env" not in fake.options  # given to the connection, which is ours


def test_settings_are_chosen_by_a_worker(start: Any) -> None:
    settings = ComputeSettings(precision="bf16", requested="auto")
    deaths = iter([died(), settings])
    pool, fake = start(lambda actor, name, arguments: next(deaths) if name == "choose_compute" else None)
    assert pool.executor(recipe()).choose_compute() == settings
    assert len(fake.actors) == 3


def test_workers_that_die_of_the_choice(start: Any) -> None:
    pool, _ = start(lambda actor, name, arguments: died() if name == "choose_compute" else None)
    with pytest.raises(ModelError, match=r"^net: 3 workers died while they chose the precision: Its worker"):
        pool.executor(recipe()).choose_compute()


def test_shards_of_a_changed_model(start: Any) -> None:
    pool, _ = start(lambda actor, name, arguments: actor.number == 1 if name == "is_changed" else None)
    executor = pool.executor(recipe())
    shards(executor.run(map(order, range(6))))
    changed = executor.changed()
    assert 0 < len(changed) < 6
    assert executor.changed() == []


def test_shards_of_a_model_that_was_replaced_meanwhile(start: Any) -> None:
    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        return actor.number == 1 if name == "load" and arguments[0].key == "other" else None

    pool, _ = start(behave)
    first, second = pool.executor(recipe()), pool.executor(recipe("other"))
    shards(first.run(map(order, range(6))))
    shards(second.run(map(order, range(6))))
    assert second.changed() == []
    assert 0 < len(first.changed()) < 6


def test_a_run_without_orders_starts_nothing(start: Any) -> None:
    pool, fake = start(lambda *_: None)
    assert shards(pool.executor(recipe()).run(iter(()))) == []
    assert fake.actors == []


def test_two_runs_at_once(start: Any) -> None:
    pool, _ = start(lambda *_: None)
    executor = pool.executor(recipe())
    first, second = executor.run(map(order, range(6))), executor.run(map(order, range(10, 13)))
    seen = [next(first).order.shard]
    assert shards(second) == [10, 11, 12]
    assert sorted([*seen, *shards(first)]) == list(range(6))


def test_two_runs_of_different_models_at_once(start: Any) -> None:
    models: dict[int, str] = {}

    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "load":
            models[actor.number] = arguments[0].key
        return Predicted(arguments[0], {}, models[actor.number]) if name == "predict" else None  # type: ignore[arg-type]

    pool, _ = start(behave)
    first = pool.executor(recipe()).run(map(order, range(8)))
    results = [next(first)]
    others = list(pool.executor(recipe("other")).run(map(order, range(8))))
    results += first
    assert [answer.outputs for answer in results] == ["one"] * 8
    assert [answer.outputs for answer in others] == ["other"] * 8


def test_an_error_belongs_to_the_run_of_its_order(start: Any) -> None:
    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        return SuiteError("a.jpg: cut") if name == "predict" and arguments[0].shard == 2 else None

    pool, _ = start(behave)
    executor = pool.executor(recipe())
    first = executor.run(map(order, range(6)))
    next(first)
    assert shards(executor.run(map(order, range(10, 13)))) == [10, 11, 12]
    with pytest.raises(SuiteError):
        shards(first)


def test_a_gpu_by_number_is_refused(start: Any) -> None:
    pool, _ = start(lambda *_: None)
    with pytest.raises(OptionError) as error:
        pool.executor(recipe(device="cuda:1"))
    assert str(error.value) == (
        "--quba-device: got 'cuda:1' together with --quba-executor=ray, which gives each worker a GPU of its "
        "own. Allowed: auto, cuda, cpu."
    )


def test_a_cluster_that_cannot_be_used_is_asked_once(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, _ = start(lambda *_: None)
    calls: list[int] = []

    def refused(*_: Any) -> Connection:
        calls.append(1)
        raise OptionError("no cluster")

    monkeypatch.setattr(ray_workers, "connect", refused)
    for _ in range(2):
        with pytest.raises(QubaError, match="no cluster"):
            shards(pool.executor(recipe()).run(map(order, range(3))))
    assert len(calls) == 1
    pool.close()


def test_workers_that_died_while_nobody_looked_are_waited_for(
    start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(ray_workers, "time", SimpleNamespace(monotonic=lambda: now))

    def behave(actor: Actor, name: str, arguments: tuple[Any, ...]) -> Any:
        return died() if name == "predict" and now and actor.number < 2 else None

    pool, fake = start(behave)
    executor = pool.executor(recipe())
    assert shards(executor.run(map(order, range(4)))) == list(range(4))
    now = 3600.0
    assert shards(executor.run(map(order, range(4)))) == list(range(4))
    assert len(fake.actors) == 4
