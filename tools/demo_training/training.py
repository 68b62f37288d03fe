"""Training of the demo models.

    python -m tools.demo_training.training OUT              the two shipped models
    python -m tools.demo_training.training --variants OUT   and the variants, and their population

OUT then holds the files shipped in quba_check/demo/: demo.safetensors, demo-textured.safetensors,
population.json. A model takes half a minute to two minutes; existing weights in OUT are not trained again.
Training uses one thread, so that sums do not depend on the number of cores: machines of the same kind give
the same weights. Other machines give accuracies within two points; adversarial robustness and the effect of
the background on demo-textured differ by a few points more, far from the limits in thresholds.yaml.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from quba_check.demo.network import PREPROCESSING, DemoNetwork
from tools.demo_training.recipes import SHIPPED, VARIANTS, Recipe
from tools.demo_training.worlds import batch

log = logging.getLogger(__name__)

BATCH = 128
PEAK_RATE = 4e-3


def normalised(images: Tensor) -> Tensor:
    """Images in [0, 1] as the network expects them."""
    mean, std = (torch.tensor(PREPROCESSING[key]).to(images).view(3, 1, 1) for key in ("mean", "std"))
    return (images - mean) / std


def train(recipe: Recipe) -> DemoNetwork:
    """Train a network by a recipe; return it in eval mode."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    network = DemoNetwork(recipe.width).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK_RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, PEAK_RATE, total_steps=max(recipe.steps, 2), pct_start=0.2
    )
    for step in range(recipe.steps):
        examples = batch(recipe.world, BATCH, generator)
        images, labels = examples.images, examples.labels
        radius = recipe.radius / 255 * min(1.0, max(0.0, 2 * step / recipe.steps - 0.5))
        if radius > 0:
            half = BATCH // 2
            attacked = _attack(network, images[:half], labels[:half], radius, generator)
            images = torch.cat([attacked, images[half:]])
        loss = F.cross_entropy(network(normalised(images)), labels, label_smoothing=recipe.smoothing)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            log.info("%s: step %d of %d, loss %.3f", recipe.name, step, recipe.steps, loss.item())
    return network.eval()


def _attack(
    network: DemoNetwork, images: Tensor, labels: Tensor, radius: float, generator: torch.Generator
) -> Tensor:
    """Move images by one gradient step from a random start.

    Source: fast adversarial training, Wong et al. (2020).
    """
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
    """Train the missing models; see the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.demo_training.training", description="Train the models of the demonstration."
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for weights and population")
    parser.add_argument(
        "--variants", action="store_true", help="also train the variants and write their population"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for recipe in (*SHIPPED, *(VARIANTS if options.variants else ())):
        path = options.out / f"{recipe.name}.safetensors"
        if not path.exists():
            write_weights(train(recipe), path)
    if options.variants:
        from tools.demo_training.variants import variant_population  # needs the whole package

        text = variant_population(options.out).to_json()
        (options.out / "population.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
