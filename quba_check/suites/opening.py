"""Opening of suites, and messages about data folders that hold none."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from quba_check.core.facts import SuiteFacts
from quba_check.core.view import View
from quba_check.errors import SuiteError
from quba_check.messages import did_you_mean, listed
from quba_check.storage.data_copies import FOLDER, CopySettings, DataCopies
from quba_check.storage.locations import default_location, is_on_network, local_folder, machine_folder
from quba_check.storage.user_files import file_kind, is_url, neighbours, user_path
from quba_check.suites.data_folder import DataFolder, RemoteFolder
from quba_check.suites.manifest.reading import read_manifest
from quba_check.suites.sampling import WHOLE, SubsetSampler
from quba_check.suites.suite import Suite

DEMO_SUITE = "demo"
MANIFEST_NAME = "quba-data.yaml"
_IMAGENET_MANIFEST = Path(__file__).with_name("imagenet.yaml")
_IMAGENET_SHOWN = "quba_check/suites/imagenet.yaml"
_EXPECTED = (
    f"Expected in it: {MANIFEST_NAME}, or the published layout (imagenet/val, imagenet-c, imagenet-r, "
    "modelvshuman, bg_challenge)."
)


def find_suite(
    where: str | Path | None, store: Path, sampler: SubsetSampler = WHOLE, copies: CopySettings | None = None
) -> Suite:
    """Open the suite of a data folder, `"demo"` or `$QUBA_DATA`.

    Args:
        where: a folder, its URL, or `"demo"`; None for `$QUBA_DATA`.
        store: folder on this machine for the demo's images, which are drawn on first use, and for copies of
            remote data.
        sampler: selects the images of each set.
        copies: settings of the copies of data at a URL; None for the defaults.

    Raises:
        SuiteError: there is no folder, or it holds no suite.
    """
    if where == DEMO_SUITE:
        from quba_check.demo.suite import demo_root

        suite = open_suite(demo_root(store), sampler)
        suite.source = DEMO_SUITE
        return suite
    folder = where if where is not None else os.environ.get("QUBA_DATA")
    if folder is None:
        raise SuiteError(
            "no data folder is named",
            where="--quba-data",
            allowed="a folder with a quba-data.yaml, or with the ImageNet family's folders",
            hint="Name it with --quba-data DIR, $QUBA_DATA or the ini value quba_data.",
        )
    if is_url(folder):
        return _open_remote_suite(str(folder), store, sampler, copies or CopySettings())
    return open_suite(user_path(folder, "--quba-data"), sampler)


def open_suite(root: str | Path, sampler: SubsetSampler = WHOLE) -> Suite:
    """Open the suite in a data folder.

    The folder has a `quba-data.yaml` or the published ImageNet layout.

    Args:
        root: the data folder, or its URL. Remote files are copied to the default store when they are used.
        sampler: selects the images of each set.

    Raises:
        SuiteError: there is no such folder, it holds no suite, or its manifest has an error.
    """
    if is_url(root):
        return _open_remote_suite(str(root), local_folder(default_location()), sampler, CopySettings())
    return _suite_in(DataFolder(data_folder(Path(root))), sampler)


def _open_remote_suite(url: str, store: Path, sampler: SubsetSampler, settings: CopySettings) -> Suite:
    """Open the suite in a remote data folder; only its manifest is copied now.

    Copies are always on this machine, also those of a store on a network file system.
    """
    copies = machine_folder(FOLDER) if is_on_network(store) else store / FOLDER
    suite = _suite_in(RemoteFolder(DataCopies(url, copies, settings)), sampler)
    suite.source = url  # the location shows no password
    return suite


def _suite_in(folder: DataFolder, sampler: SubsetSampler) -> Suite:
    label = f"{folder.location}/{MANIFEST_NAME}"
    names = folder.names()
    is_local = folder.copies is None
    if not names:
        raise SuiteError(f"the data folder is empty. {_EXPECTED} Name another folder.", where=folder.location)
    if MANIFEST_NAME in names:
        folder.fetch_manifest(MANIFEST_NAME)
        try:
            suite = Suite(folder, read_manifest(folder.root / MANIFEST_NAME, label), sampler)
        except SuiteError as error:
            raise folder.relocated(error) from None
        _check_holds_a_set(suite, label)
        return suite
    init = f"; quba-check init {folder.root} writes one" if is_local else ""
    assumed = f"The published layout is assumed, without a {MANIFEST_NAME}{init}."
    published = replace(read_manifest(_IMAGENET_MANIFEST, _IMAGENET_SHOWN), assumed=assumed)
    suite = Suite(folder, published, sampler)
    if not suite.views():
        init = f" For folders of images, quba-check init {folder.root} writes a {MANIFEST_NAME}."
        hint = _EXPECTED + (init if is_local else "")
        raise SuiteError(
            "the data folder holds no suite", where=folder.location, got=listed(names, 5), hint=hint
        )
    return suite


def data_folder(root: Path) -> Path:
    """Return the absolute path of a data folder.

    Raises:
        SuiteError: there is no such folder.
    """
    root = user_path(root, "--quba-data").absolute()
    kind = file_kind(root, str(root), SuiteError)
    if kind is None:
        raise SuiteError(
            "there is no such data folder",
            where=f"{root}",
            allowed="an existing folder",
            hint=did_you_mean(root.name, [entry.name for entry in neighbours(root)]),
        )
    if kind != "folder":
        raise SuiteError(
            "is a file, not a data folder", where=f"{root}", allowed=f"a folder, such as {root.parent}"
        )
    return root


def published_facts() -> SuiteFacts:
    """Return the facts of the published ImageNet family; no folder is read."""
    return Suite(Path(), read_manifest(_IMAGENET_MANIFEST, _IMAGENET_SHOWN)).facts


def manifest_facts(path: Path) -> SuiteFacts:
    """Return the facts of a manifest. No image is read.

    Raises:
        SuiteError: the manifest has an error.
    """
    return Suite(path.parent, read_manifest(path, str(path))).facts


def _check_holds_a_set(suite: Suite, manifest: str) -> None:
    # Otherwise a run with only optional demands would pass on a wrong path.
    reasons = [reason for name in suite.facts.spaces if (reason := suite.missing(View(name)))]
    if reasons and len(reasons) == len(suite.facts.spaces):
        raise SuiteError(
            f"none of its sets exists: {listed(reasons, 2)}",
            where=manifest,
            hint="Correct the paths, or name another folder.",
        )
