"""Train the models of the demonstration.

    python -m tools.demo_training.training OUT              the two shipped models
    python -m tools.demo_training.training --variants OUT   and the variants, and their population

OUT then holds what ships in quba_check/demo/: demo.safetensors, demo-textured.safetensors, population.json.
Each model takes half a minute to two; weights that are in OUT already are kept. One thread trains, so that
float sums do not depend on the number of cores: the same kind of machine gives the same weights.
Another kind gives accuracies within two points; adversarial robustness and the background's part in
demo-textured move by a few points more, far from what thresholds.yaml demands.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from quba_check.demo.network import DemoNetwork, normalised
from tools.demo_training.recipes import SHIPPED, VARIANTS, Recipe
from tools.demo_training.worlds import batch

log = logging.getLogger(__name__)

BATCH = 128
PEAK_RATE = 4e-3


def trained(recipe: Recipe) -> DemoNetwork:
    """A network trained by a recipe, in eval mode."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    network = DemoNetwork(recipe.width).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, PEAK_RATE, total_steps=max(recipe.steps, 2), pct_start=0.2
    )
    for step in range(recipe.steps):
        drawn = batch(recipe.world, BATCH, generator)
        images = drawn.images
        radius = recipe.radius / 255 * min(1.0, max(0.0, 2 * step / recipe.steps - 0.5))
        if radius > 0:
            half = BATCH // 2
            attacked = _attacked(network, images[:half], drawn.labels[:half], radius, generator)
            images = torch.cat([attacked, images[half:]])
        loss = F.cross_entropy(network(normalised(images)), drawn.labels, label_smoothing=recipe.smoothing)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            log.info("%s: step %d of %d, loss %.3f", recipe.name, step, recipe.steps, loss.item())
    return network.eval()


def _attacked(
    network: DemoNetwork, images: Tensor, labels: Tensor, radius: float, generator: torch.Generator
) -> Tensor:
    """Images one gradient step away from a random start (fast adversarial training, Wong et al. 2020)."""
    start = (torch.rand(images.shape, generator=generator) * 2 - 1) * radius
    shifted = (images + start).clamp(0, 1).requires_grad_()
    loss = F.cross_entropy(network(normalised(shifted)), labels)
    (gradient,) = torch.autograd.grad(loss, shifted)
    moved = shifted.detach() + 1.25 * radius * gradient.sign()
    return torch.minimum(torch.maximum(moved, images - radius), images + radius).clamp(0, 1)


def write_weights(network: DemoNetwork, path: Path) -> None:
    """Save the weights of a network."""
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)


def main(arguments: list[str] | None = None) -> None:
    """Train what is not there yet: see the module's text."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.demo_training.training", description="Train the models of the demonstration."
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for weights and population")
    parser.add_argument("--variants", action="store_true", help="also the variants and their population")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for recipe in (*SHIPPED, *(VARIANTS if options.variants else ())):
        path = options.out / f"{recipe.name}.safetensors"
        if not path.exists():
            write_weights(trained(recipe), path)
    if options.variants:
        from tools.demo_training.variants import variant_population  # needs the whole package

        text = variant_population(options.out).to_json()
        (options.out / "population.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
