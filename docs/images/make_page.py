"""Write page.webp: the top of the report page of the demo's model that fails.

Run `python docs/images/make_page.py` after a change to the page or the demo. It needs Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

FAILS, PASSES = "demo-textured", "demo"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT = 1100, 924
SCALE = 1.5
"""Pixels of the picture per pixel of the page, for sharp text."""
MOST_BYTES = 150_000
QUALITIES = range(90, 39, -5)


def browser() -> str:
    """Return the path of the browser.

    Raises:
        SystemExit: there is none.
    """
    paths = (shutil.which(name) for name in BROWSERS)
    found = next((path for path in paths if path), None)
    if found is None:
        raise SystemExit(f"make_page.py: no browser. Allowed: one of {', '.join(BROWSERS)} on the path.")
    return found


def write_page(folder: Path) -> Path:
    """Judge both models of the demo, and write the page that compares them."""
    for model in (FAILS, PASSES):
        subprocess.run(  # noqa: S603
            [sys.executable, "-m", "pytest", f"--model={model}", f"--quba-record={model}.json", "-q"],
            cwd=folder,
            check=model == PASSES,
            stdout=subprocess.DEVNULL,
        )
    report = [f"{FAILS}.json", f"--baseline={PASSES}.json", "-o", "page.html"]
    subprocess.run([sys.executable, "-m", "quba_check", "report", *report], cwd=folder, check=True)  # noqa: S603
    return folder / "page.html"


def screenshot(page: Path) -> Image.Image:
    """Return the top of a page as the browser shows it."""
    picture = page.with_suffix(".png")
    subprocess.run(  # noqa: S603
        [
            browser(),
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            f"--force-device-scale-factor={SCALE}",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return Image.open(picture).convert("RGB")


def main() -> None:
    """Write the picture next to this file, in the best quality that fits."""
    target = Path(__file__).with_name("page.webp")
    with tempfile.TemporaryDirectory() as folder:
        picture = screenshot(write_page(Path(folder)))
        for quality in QUALITIES:
            picture.save(target, quality=quality, method=6)
            if target.stat().st_size <= MOST_BYTES:
                break


if __name__ == "__main__":
    main()
