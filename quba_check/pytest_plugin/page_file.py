"""The page of a run, with pictures if asked for."""

from __future__ import annotations

from collections.abc import Sequence

from quba_check.comparison.stored_run import StoredRun
from quba_check.gate.session import GateSession
from quba_check.records.files import write_text
from quba_check.records.per_image import PerImage
from quba_check.records.record import Record


def write_page(
    gate: GateSession,
    records: Sequence[Record],
    images: Sequence[bytes | None],
    names: Sequence[str],
) -> None:
    """Write the page of all records, compared with the run's baseline.

    Args:
        gate: options, suite and baseline of the run.
        records: the records of the run.
        images: the per-image results of each record; None without.
        names: the name of each record on the page.

    Raises:
        UserError: a file cannot be written.
    """
    from quba_check.page.pictures import Album, make_album, pictures_folder, write_album
    from quba_check.page.render import render_page
    from quba_check.suites.set_images import SetImages

    page, n = gate.options.html, gate.options.pictures
    if page is None:
        return
    runs = []
    for record, content, name in zip(records, images, names, strict=True):
        results = None if content is None else PerImage.from_bytes(content, name, record)
        runs.append(StoredRun(name, record, results))
    album = Album()
    if n is not None:
        sources = [SetImages(gate.suite)] * len(runs)
        album = make_album(runs, sources, n, baseline=gate.baseline, folder=pictures_folder(page))
    write_album(album, page)
    write_text(render_page(runs, baseline=gate.baseline, pictures=album.demands), page)
