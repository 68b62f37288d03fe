"""Code of users: its import, and digests of its files, packages and values."""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from importlib.machinery import all_suffixes
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from numbers import Number
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.messages import did_you_mean
from quba_check.models.errors import model_errors
from quba_check.models.identity.graphs import program_values
from quba_check.models.identity.state import qualified_name, state_digest

LIBRARIES = frozenset({"quba_check", "timm", "torch", "torchvision"})
"""Packages whose code does not count: modules of theirs are described by their printed form."""
LARGEST = 100_000
DEEPEST = 80
"""Number of objects that are read, and of objects inside one another."""
_STANDARD = f"{Path(os.__file__).parent}{os.sep}"
_INSTALLED = {"site-packages", "dist-packages"}
_CLOSED = {"torch", *sys.stdlib_module_names} - {"argparse", "types"}
"""Packages whose objects change while they are used; argparse and types have namespaces."""
_NUMBERS: tuple[type, ...] = int, float, Number, np.generic, np.dtype, torch.dtype, torch.memory_format
_TEXTS: tuple[type, ...] = str, type(None), *_NUMBERS, PurePath, range, slice, re.Pattern, types.ModuleType
"""Types of values that their printed form describes."""
_WRAPPED = "__name__", "__func__", "__self__", "__wrapped__", "fget", "func", "args", "keywords"
"""Attributes of methods, partial functions, properties and other wrappers of Python's own library."""
_ENDINGS = f"{os.sep}__init__.py", *all_suffixes()
_HOOKS = "_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks"
_BOOKKEEPING = {*vars(nn.Module()), "_torchdynamo_wrapper_id"} - {"_parameters", "_buffers", "_modules"}


def imported_object(text: str) -> Any:
    """Return the object of `package.module:name`, with the current folder importable.

    Raises:
        ModelError: module or object do not exist, or importing them raises.
    """
    module_name, _, path = text.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # not removed, since the user's code may import more modules later
    try:
        with model_errors(f"importing '{module_name}' raised", where=text):
            value: Any = importlib.import_module(module_name)
    except ModelError as error:
        missing = error.__cause__.name if isinstance(error.__cause__, ModuleNotFoundError) else None
        if not missing or not (module_name == missing or module_name.startswith(f"{missing}.")):
            raise
        raise ModelError(
            f"there is no module '{missing}', neither in {here} nor installed.", where=text
        ) from error
    with model_errors("looking it up raised", where=text):
        for name in path.split("."):
            if not hasattr(value, name):
                owner = getattr(value, "__name__", module_name)
                raise ModelError(
                    f"'{owner}' has no attribute '{name}'.", where=text, hint=did_you_mean(name, dir(value))
                )
            value = getattr(value, name)
    return value


def code_digest(spec: str, *objects: object, tensors: Mapping[str, Tensor] | None = None) -> str:
    """Return a digest of a user's code and of the values that it holds.

    It is the same in every process.

    The code: the files of the user's classes with their bases, of functions, hooks and methods; the files
    that these import below the user's folders, which are found without importing them; the versions of other
    packages that they import. The values: attributes, private ones too, closures, defaults, and attributes
    of classes.

    Global values, files and environment variables that the code reads are not seen, since they may differ
    between processes.

    Args:
        spec: `package.module:name` of the callable.
        objects: the callable, what it returned, or a function on arrays.
        tensors: tensors that are digested elsewhere, by name.

    Returns:
        32 hex digits (blake2b); empty if all is torch's, torchvision's and timm's.
    """
    module = spec.partition(":")[0]
    code = _UserCode(module.partition(".")[0], tensors or {})
    code.add_source(_scope(module))
    digests = [code.digest(value) for value in objects]
    files = sorted(map(_digest, code.files.values()))
    packages = [(name, _version(name)) for name in sorted(code.packages)]
    return _digest(repr((digests, files, packages)).encode()) if files or packages else ""


class _UserCode:
    """Digests of values by their structure, without addresses, and the code behind them.

    Args:
        project: name of the package of the user's code, which may be installed.
        tensors: tensors that are digested elsewhere, by name.

    Attributes:
        files: contents of the source files.
        packages: names of the other packages.
    """

    def __init__(self, project: str, tensors: Mapping[str, Tensor]) -> None:
        self.files: dict[Path, bytes] = {}
        self.packages: set[str] = set()
        self._project = project
        # With the objects, since Python uses the id of a freed one again.
        self._known: dict[int, tuple[object, str]] = {
            id(tensor): (tensor, name) for name, tensor in tensors.items()
        }
        folders = sorted({str(Path.cwd()), *sys.path} - {"", os.sep}, reverse=True)  # longer ones first
        self._folders = re.compile("|".join(map(re.escape, folders)))

    def digest(self, value: object, depth: int = 0) -> str:
        """Return the digest of a value and of all values in it."""
        name = qualified_name(type(value))
        if isinstance(value, _TEXTS):
            return f"{name} {self._folders.sub('', str(value))!r}"
        if id(value) not in self._known and depth <= DEEPEST and len(self._known) <= LARGEST:
            self._known[id(value)] = value, f"{name} again"
            parts = [self.digest(part, depth + 1) for part in self._parts(value, depth + 1)]
            self._known[id(value)] = value, _digest("\n".join([name, *parts]).encode())
        return self._known.get(id(value), (None, name))[1]

    def _parts(self, value: Any, depth: int) -> Sequence[object]:
        match value:
            case Tensor():
                with suppress(RuntimeError, TypeError, ValueError):  # without numbers
                    return [state_digest({"": value.to_dense() if value.is_sparse else value})]
            case np.ndarray():
                numbers = value.tolist() if value.dtype.hasobject else _digest(value.tobytes())
                return [value.dtype, value.shape, numbers]
            case bytes() | bytearray():
                return [_digest(value)]
            case dict():
                items = [
                    self.digest(key, depth) + self.digest(item, depth) for key, item in dict.items(value)
                ]
                return [*sorted(items), *self._attributes(value)]
            case set() | frozenset():
                return [*sorted(self.digest(item, depth) for item in value), *self._attributes(value)]
            case list() | tuple():
                return [*value, *self._attributes(value)]
        return self._code_parts(value)

    def _code_parts(self, value: Any) -> Sequence[object]:
        match value:
            case type():
                is_own = self.add_source(_scope(value.__module__))
                parts = [*value.__mro__[1:], *_state(vars(value))] if is_own else []
                return [qualified_name(value), *parts]
            case types.FunctionType():
                return self._function(value)
            case torch.jit.ScriptModule():
                return [getattr(value, "code", ""), *program_values(value), *value.children()]
            case nn.Module():
                hooks = [list(getattr(value, name, {}).values()) for name in _HOOKS]
                return [*hooks, *self._attributes(value)]
        return self._attributes(value)

    def _attributes(self, value: object) -> Sequence[object]:
        """Return class and attributes: of objects of other packages, which may change, the public ones."""
        kind = type(value)
        is_module = isinstance(value, nn.Module)
        if not is_module and kind.__module__.partition(".")[0] in _CLOSED:
            own = getattr(value, "__dict__", ())
            return [getattr(value, name, None) for name in _WRAPPED if hasattr(kind, name) or name in own]
        is_own = self.add_source(_scope(kind.__module__)) or is_module
        parts = state if isinstance(state := object.__getstate__(value), tuple) else (state,)
        hidden = _BOOKKEEPING if is_module else ()
        items = [item for part in parts for item in (part or {}).items() if item[0] not in hidden]
        return [kind, dict(item for item in items if is_own or item[0][0] != "_")]

    def _function(self, function: types.FunctionType) -> Sequence[object]:
        cells = [cell.cell_contents for cell in function.__closure__ or () if cell != types.CellType()]
        parts = [cells, function.__defaults__, function.__kwdefaults__]
        if not self.add_source(function.__globals__):
            return [*parts, vars(function).get("__wrapped__")]
        codes = [function.__code__]
        for code in codes:  # grows
            codes += [part for part in code.co_consts if isinstance(part, types.CodeType)]
        return [*parts, vars(function), [(code.co_code, code.co_consts, code.co_names) for code in codes]]

    def add_source(self, scope: Mapping[str, Any]) -> bool:
        """Add the file of a module.

        If it is the user's, the files that it imports are added, too.

        Args:
            scope: the global values of the module.

        Returns:
            True if it is the user's.
        """
        place = Path(scope.get("__file__") or "")
        package = scope.get("__name__", "").partition(".")[0]
        pending = [(place, package)]
        for file, top in pending:  # grows
            is_own = self._is_own(file, top)
            is_kept = is_own or (top in self.packages and file.suffix == ".py")
            if file in self.files or not is_kept or not file.is_file():
                continue
            self.files[file] = file.read_bytes()
            if is_own:
                pending += [(folder / "__init__.py", top) for folder in file.parents]
                pending += self._imported(file, top)
        return self._is_own(place, package)

    def _imported(self, file: Path, package: str) -> Iterator[tuple[Path, str]]:
        """Yield the user's files that a file may import, with their packages.

        Some do not exist.
        """
        for level, name in _imports(self.files[file]):
            top = package if level else name.partition(".")[0]
            place = (file, *file.parents)[level - 1] if level else _place(top)
            if self._is_own(place, top):
                path = place.parent.joinpath(*name.split("."))
                yield from ((Path(f"{path}{ending}"), top) for ending in _ENDINGS)

    def _is_own(self, place: Path, package: str) -> bool:
        """Return True for a place of the user's code; keep the names of other packages."""
        is_installed = not _INSTALLED.isdisjoint(place.parts)
        is_standard = str(place).startswith(_STANDARD) and not is_installed
        if package in LIBRARIES or is_standard or not place.is_absolute():
            return False
        is_other = is_installed and package != self._project
        self.packages |= {package} if is_other else set()
        return not is_other


def _state(values: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield values, without registries, which depend on the imported modules, and what is filled later."""
    for name, value in sorted(values.items()):
        entries = value.values() if isinstance(value, dict) else ()
        is_registry = any(isinstance(entry, (type, types.FunctionType)) for entry in entries)
        if value is not None and not is_registry and (callable(value) or not name.startswith("__")):
            yield name, value


def _digest(content: Any) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _scope(module: str) -> Mapping[str, Any]:
    """Return the global values of an imported module."""
    return getattr(sys.modules.get(module), "__dict__", {})


def _imports(content: bytes) -> list[tuple[int, str]]:
    """Return the modules that source text may import, also inside functions, with their levels."""
    modules = set()
    with suppress(SyntaxError, ValueError):
        for statement in ast.walk(ast.parse(content)):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                level = getattr(statement, "level", 0)
                base = getattr(statement, "module", None) or ""
                names = [base, *(f"{base}.{alias.name}".strip(".") for alias in statement.names)]
                modules |= {(level, name) for name in names}
    return sorted(modules)


def _place(package: str) -> Path:
    """Return the folder or file of a package; an empty path if there is none."""
    with suppress(ImportError, ValueError):
        spec = find_spec(package)
        if spec:
            return Path(next(iter(spec.submodule_search_locations or ()), spec.origin or ""))
    return Path()


def _version(package: str) -> str:
    """Return the version of an installed package, or a digest of files that state it."""
    with suppress(PackageNotFoundError):
        return version(package)
    place = _place(package)  # the distribution has another name, such as that of cv2
    files = [place, *(place / f"{name}.py" for name in ("__init__", "version", "_version"))]
    return _digest(b"".join(file.read_bytes() for file in files if file.suffix == ".py" and file.is_file()))
