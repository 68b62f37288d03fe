import functools
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import quba_check.demo
from quba_check.demo import DEMO_MODELS
from quba_check.demo.network import network_of
from tools.demo_training import training, worlds
from tools.demo_training.recipes import SHIPPED, VARIANTS, Recipe
from tools.demo_training.training import main, train, write_weights
from tools.demo_training.worlds import World


@pytest.fixture(autouse=True)
def small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few ready-drawn factors, so that tests take no time."""
    for name in ("POSES", "SURFACES", "PALETTES"):
        monkeypatch.setattr(worlds, name, 20)
    monkeypatch.setattr(worlds, "_pool", functools.cache(worlds._pool.__wrapped__))


def test_recipes_have_names_of_their_own() -> None:
    names = [recipe.name for recipe in (*SHIPPED, *VARIANTS)]
    assert names[:2] == list(DEMO_MODELS)
    assert len(set(names)) == len(names) >= 2 + 12


def test_a_few_steps_learn_something_and_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "BATCH", 32)
    recipe = Recipe("tiny", World(background=1.0, variety=0.0), steps=30, width=4)
    network = train(recipe)
    examples = training.batch(recipe.world, 200, torch.Generator().manual_seed(9))
    with torch.inference_mode():
        chosen = network(training.normalised(examples.images)).argmax(dim=1)
    assert not network.training
    assert (chosen == examples.labels).float().mean() > 0.3  # chance is 0.1
    again = train(recipe)
    for one, other in zip(network.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(one, other)


def test_attacked_images_stay_in_the_ball() -> None:
    network = train(Recipe("untrained", World(), steps=0, width=4))
    images = torch.rand(4, 3, 48, 48)
    labels = torch.arange(4)
    attacked = training._attack(network, images, labels, 8 / 255, torch.Generator().manual_seed(0))
    assert (attacked - images).abs().max() <= 8 / 255 + 1e-6
    assert 0 <= attacked.min() < attacked.max() <= 1
    assert not attacked.requires_grad


def test_the_command_trains_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(torch, "set_num_threads", lambda count: made.append(f"{count} thread"))
    untrained = train(Recipe("untrained", World(), steps=0, width=4))
    monkeypatch.setattr(training, "train", lambda recipe: (made.append(recipe.name), untrained)[1])
    main([str(tmp_path / "out")])
    main([str(tmp_path / "out")])
    assert made == ["1 thread", *DEMO_MODELS, "1 thread"]
    for name in DEMO_MODELS:
        network_of(load_file(tmp_path / "out" / f"{name}.safetensors"))


def test_the_shipped_population_is_of_the_variants() -> None:
    shipped = Path(quba_check.demo.__file__).parent / "population.json"
    population = json.loads(shipped.read_text(encoding="utf-8"))
    assert [row["id"] for row in population["rows"]] == [recipe.name for recipe in VARIANTS]
    assert all(len(row["values"]) == 9 for row in population["rows"])
    assert (population["name"], population["protocol"], population["suite"]) == ("demo", "standard", "demo")


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    network = train(Recipe("untrained", World(), steps=0, width=4, seed=3))
    write_weights(network, tmp_path / "w.safetensors")
    read = load_file(tmp_path / "w.safetensors")
    assert read.keys() == network.state_dict().keys()
    assert all(torch.equal(value, read[name]) for name, value in network.state_dict().items())
