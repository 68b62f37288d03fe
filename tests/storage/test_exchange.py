"""One model's predictions as one file: the way to another store, and files that are refused."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.stored import age, flip_last_bit, keys_of, names_in, predict, prediction_files

from quba_check.errors import StoreError
from quba_check.storage.exchange import CONTENTS, export_model, import_file
from quba_check.storage.inventory import read_inventory
from quba_check.storage.store import Store

RECORD = "runs/20260101T000000-0123abcd-standard-7.json"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    predict(store, "r50", "clean")
    predict(store, "r50", "clean+pgd", packed=False)
    predict(store, "vit", "clean")
    store.publish(RECORD, b'{"model": {"name": "r50"}}')
    age(store.root / RECORD, at=0)  # earlier than zip archives can state
    return store


@pytest.fixture
def exported(store: Store, tmp_path: Path) -> Path:
    return export(store, tmp_path / "out" / "r50.zip")


def export(store: Store, path: Path) -> Path:
    files = [each.file for each in read_inventory(store).of_models if each.model == "r50"]
    archive = export_model(store, "r50", files, path)
    assert (archive.model, len(archive.digests)) == ("r50", 4)
    assert archive.size == sum(file.size for file in files)
    return path


def test_predictions_reach_another_store(store: Store, exported: Path, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    imported = import_file(other, exported)
    assert (len(imported.added), imported.present) == (4, 0)
    names = names_in(other)
    assert names == set(imported.archive.digests)
    for name in names:
        assert (other.root / name).read_bytes() == (store.root / name).read_bytes()
    for view in ("clean", "clean+pgd"):
        for key in keys_of("r50", view):
            assert other.read(key).columns["index"].tolist() == list(key.indices)
    assert read_inventory(other).models == ["r50"]


def test_files_that_the_store_has_stay(store: Store, exported: Path, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    other.publish(RECORD, b"another one")
    imported = import_file(other, exported)
    assert (len(imported.added), imported.present) == (3, 1)
    assert (other.root / RECORD).read_bytes() == b"another one"
    again = import_file(other, exported)
    assert (again.added, again.present) == ((), 4)


def test_a_damaged_file_is_not_exported(store: Store, tmp_path: Path) -> None:
    (path,) = prediction_files(store, "r50", "clean")
    flip_last_bit(path)
    with pytest.raises(StoreError) as caught:
        export(store, tmp_path / "r50.zip")
    assert str(caught.value) == (
        f"{path}: shard 1: its checksum does not fit its columns. Nothing was exported. Remove damaged "
        "predictions: quba-check store verify --remove."
    )
    assert not (tmp_path / "r50.zip").exists()


def test_a_file_that_is_removed_meanwhile(store: Store, tmp_path: Path) -> None:
    files = [each.file for each in read_inventory(store).of_models]
    (path,) = prediction_files(store, "r50", "clean")
    path.unlink()
    with pytest.raises(StoreError) as caught:
        export_model(store, "r50", files, tmp_path / "r50.zip")
    assert str(caught.value) == f"--quba-store: {path} cannot be read (No such file or directory)."


def test_an_output_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "r50.zip"
    with pytest.raises(StoreError) as caught:
        export(store, output)
    assert str(caught.value) == (
        f"{output}: cannot be written (File exists). Allowed: a file in a folder that you may write to."
    )


Members = dict[str, bytes]


def changed(path: Path, change: Callable[[Members], None], compression: int = zipfile.ZIP_STORED) -> Path:
    """Rewrite an archive after changing its members."""
    with zipfile.ZipFile(path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


def contents_changed(path: Path, change: Callable[[dict[str, object]], object]) -> Path:
    """Rewrite an archive after changing its first member."""

    def rewrite(members: Members) -> None:
        contents = json.loads(members[CONTENTS])
        change(contents)
        members[CONTENTS] = json.dumps(contents).encode()

    return changed(path, rewrite)


def refusal(path: Path, tmp_path: Path) -> str:
    """The reason for which a file is refused; nothing of it reaches the store."""
    other = Store(tmp_path / "other")
    before = set(other.files())
    with pytest.raises(StoreError) as caught:
        import_file(other, path)
    assert set(other.files()) == before
    start, end = (
        f"{path}: ",
        ". Nothing was imported. Allowed: a file written by quba-check store export.",
    )
    text = str(caught.value)
    assert text.startswith(start)
    return text.removeprefix(start).removesuffix(end)


def test_no_zip_archive(exported: Path, tmp_path: Path) -> None:
    exported.write_text("text")
    assert refusal(exported, tmp_path) == "it is damaged (File is not a zip file)"
    exported.unlink()
    assert refusal(exported, tmp_path) == "there is no such file."


def test_another_zip_archive(exported: Path, tmp_path: Path) -> None:
    changed(exported, lambda members: members.pop(CONTENTS) and None)
    assert refusal(exported, tmp_path) == "it has no member quba-store.json"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"\xff", b'{"format": 1}', b'{"format": 1, "files": 3}']
)
def test_damaged_contents(exported: Path, tmp_path: Path, content: bytes) -> None:
    changed(exported, lambda members: members.update({CONTENTS: content}))
    assert refusal(exported, tmp_path) == "its member quba-store.json is damaged"


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_format(exported: Path, tmp_path: Path, version: object) -> None:
    contents_changed(exported, lambda contents: contents.update(format=version))
    assert refusal(exported, tmp_path) == (
        f"got format {version!r}, which this version does not read. Allowed: 1. Export it again with this "
        "version of quba-check, or import it with the one that wrote it."
    )


@pytest.mark.parametrize(
    "name",
    [
        "../outside.json",
        "/etc/cron.d/job",
        "runs/../../outside.json",
        "runs/.hidden.json",
        "runs/C:\\x.json",
        "digests.sqlite",
        "active/run.json",
        f"predictions/{'a' * 32}/../00000-{'b' * 16}.safetensors",
    ],
)
def test_members_outside_of_a_store(exported: Path, tmp_path: Path, name: str) -> None:
    def add(members: Members) -> None:
        contents = json.loads(members[CONTENTS])
        contents["files"][name] = {"size": 1, "blake2b": "0"}
        members |= {CONTENTS: json.dumps(contents).encode(), name: b"x"}

    changed(exported, add)
    assert refusal(exported, tmp_path) == f"its member '{name}' has no place in a store"
    assert not (tmp_path / "outside.json").exists()


def test_members_without_a_digest(exported: Path, tmp_path: Path) -> None:
    changed(exported, lambda members: members.update({"runs/other.json": b"{}"}))
    assert refusal(exported, tmp_path) == "its members are not those of quba-store.json"


def test_a_missing_member(exported: Path, tmp_path: Path) -> None:
    changed(exported, lambda members: members.pop(RECORD) and None)
    assert refusal(exported, tmp_path) == "its members are not those of quba-store.json"


def test_a_compressed_member(exported: Path, tmp_path: Path) -> None:
    def enlarge(members: Members) -> None:
        members[RECORD] = bytes(100_000)

    changed(exported, enlarge, zipfile.ZIP_DEFLATED)
    assert refusal(exported, tmp_path).endswith("is compressed")


def test_a_changed_member(exported: Path, tmp_path: Path) -> None:
    changed(exported, lambda members: members.update({RECORD: b'{"model": {"name": "vit"}}'}))
    assert refusal(exported, tmp_path) == f"it is damaged (the digest of '{RECORD}' does not fit)"


def test_a_bit_flipped_on_the_way(exported: Path, tmp_path: Path) -> None:
    content = exported.read_bytes()
    place = content.index(b'{"model": {"name": "r50"}}')
    exported.write_bytes(content[:place] + b"[" + content[place + 1 :])
    assert refusal(exported, tmp_path) == f"it is damaged (Bad CRC-32 for file '{RECORD}')"


def test_no_room_for_temporary_copies(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    other = Store(tmp_path / "other")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError) as caught:
        import_file(other, exported)
    assert str(caught.value).endswith(
        ": cannot be written (No space left on device). Allowed: a folder for temporary files, $TMPDIR, with "
        "room for the largest file of the store."
    )


def test_predictions_that_are_none(exported: Path, tmp_path: Path) -> None:
    """Digests fit, but the shards inside do not have their checksums."""
    name = next(name for name in zipfile.ZipFile(exported).namelist() if name.endswith(".safetensors"))

    def damage(members: Members) -> None:
        members[name] = members[name][:-1] + b"\x11"
        digest = hashlib.blake2b(members[name], digest_size=16).hexdigest()
        contents = json.loads(members[CONTENTS])
        contents["files"][name]["blake2b"] = digest
        members[CONTENTS] = json.dumps(contents).encode()

    changed(exported, damage)
    assert refusal(exported, tmp_path) == f"it is damaged (a checksum in '{name}' does not fit)"
