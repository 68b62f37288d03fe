"""Two processes use one store in any order, and a dict knows what it holds.

A process may use a listing again for names that it has, so that it notices removals when it reads.
"""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.stored import OLD, ROWS, age, check, fill, flip_last_bit, key_of

from quba_check.cli.store import damage_of
from quba_check.storage.inventory import PruneConditions, model_rows, read_inventory, removals
from quba_check.storage.opening import open_store
from quba_check.storage.shard import DamagedShardError, ShardKey, object_name
from quba_check.storage.store import Store

SHARDS = 3
Keys = tuple[ShardKey, ...]


def entry_of(name: str) -> str:
    return name.split("/")[1][0]


processes = st.sampled_from([0, 1])
shards = st.integers(0, SHARDS - 1)
views = st.sampled_from(
    [
        tuple(key_of(number, content, entry * 32) for number, content in enumerate(contents))
        for entry in "ab"
        for contents in ("aaa", "aba")  # an image changes
    ]
)


class StoreMachine(RuleBasedStateMachine):
    """A store in a folder that two processes have open.

    Attributes:
        files: the shards of each object by its name.
        damaged: names of damaged objects.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.stores = [open_store(self.folder) for _ in range(2)]
        self.files: dict[str, Keys] = {}
        self.damaged: set[str] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def holders(self, key: ShardKey) -> set[str]:
        return {name for name, keys in self.files.items() if key in keys}

    def can_read(self, keys: Keys) -> bool | None:
        """Return None if a shard is in a sound object and in a damaged one, and either may be read."""
        holders = [self.holders(key) for key in keys]
        if not all(names - self.damaged for names in holders):
            return False
        return None if any(names & self.damaged for names in holders) else True

    def drop(self, names: set[str]) -> None:
        self.files = {name: keys for name, keys in self.files.items() if name not in names}
        self.damaged -= names

    @rule(process=processes, view=views, number=shards)
    def write(self, process: int, view: Keys, number: int) -> None:
        key = view[number]
        fill(self.stores[process], [key])
        self.files.setdefault(object_name(key.cache_entry, [key.id]), (key,))

    @rule(process=processes, view=views, is_new=st.booleans())
    def complete_and_pack(self, process: int, view: Keys, is_new: bool) -> None:
        if is_new:
            self.start_again(process)
        for key in self.stores[process].missing(view):
            self.write(process, view, key.shard)
        self.stores[process].pack(view)
        own = {name for key in view for name in self.holders(key) if len(self.files[name]) == 1}
        if own and not all((self.folder / name).exists() for name in own):
            assert self.can_read(view) is not False
            self.drop({*own, name := object_name(view[0].cache_entry, [key.id for key in view])})
            self.files[name] = view
        elif own:
            assert not (is_new and self.can_read(view))

    @rule(process=processes, view=views, some=st.sets(shards, min_size=1))
    def read(self, process: int, view: Keys, some: set[int]) -> None:
        store = self.stores[process]
        keys = tuple(view[number] for number in sorted(some))
        missing = [key for key in keys if not self.holders(key)]
        assert {*store.missing(keys)} <= {*missing}
        try:
            check(store, keys)
        except DamagedShardError:
            assert not self.can_read(keys)
            assert store.missing(keys) == missing
        else:
            assert self.can_read(keys) is not False

    @rule(process=processes, view=views, number=shards)
    def remove(self, process: int, view: Keys, number: int) -> None:
        self.stores[process].remove(view[number])
        self.drop(self.holders(view[number]))

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def damage(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted({*self.files} - self.damaged) or [""]))
        if name:
            flip_last_bit(self.folder / name)
            self.damaged.add(name)

    @rule(process=processes, entry=st.sampled_from("ab"))
    def prune(self, process: int, entry: str) -> None:
        """Remove the predictions of one model, which alone are old."""
        store = self.stores[process]
        old = {name for name in self.files if entry_of(name) == entry}
        age(*(self.folder / name for name in old))
        selected = removals(read_inventory(store), PruneConditions(before=OLD + 1), OLD)
        store.delete_files(file.name for each in selected for file in each.files)
        self.drop(old)

    @rule(process=processes)
    def start_again(self, process: int) -> None:
        self.stores[process] = open_store(self.folder)

    @rule()
    def verify(self) -> None:
        store = Store(self.folder)
        assert {name for name in self.files if damage_of(store, name)} == self.damaged
        images = dict.fromkeys(map(entry_of, self.files), 0)
        for name, keys in self.files.items():
            images[entry_of(name)] += ROWS * len(keys)
        assert {row.model: row.images for row in model_rows(read_inventory(store))} == images

    @invariant()
    def names(self) -> None:
        names = {path.relative_to(self.folder).as_posix() for path in self.folder.glob("predictions/*/*")}
        assert names == self.files.keys()


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(derandomize=True, deadline=None, max_examples=50, stateful_step_count=20)
