"""Threshold files of a run: shipped ones by name, reading, checking against options, planned demands."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.facts import SuiteFacts
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand, Thresholds
from quba_check.demands.profiles import DEMO_THRESHOLDS, display_name, find_thresholds, shipped_profiles
from quba_check.demands.reading import read_thresholds
from quba_check.demo import DEMO_MODELS
from quba_check.dimensions import registry
from quba_check.errors import OptionError, ThresholdError
from quba_check.gate.named_files import SUFFIXES, named_path
from quba_check.gate.options import Options
from quba_check.messages import one_line
from quba_check.storage.user_files import file_kind
from quba_check.verdicts.evidence import population_of


def with_shipped_file(argument: str, base: Path) -> str:
    """Return an argument, with the name of a shipped threshold file replaced by its path.

    Printed node ids are accepted: `quba_check/thresholds/default.yaml::accuracy[min]`.

    Raises:
        ThresholdError: a YAML file is missing.
    """
    name, mark, item = argument.partition("::")
    path = named_path(argument, base)
    if path.suffix not in SUFFIXES or file_kind(path, name, ThresholdError) is not None:
        return argument
    return f"{find_thresholds(name, base)}{mark}{item}"


def default_files(options: Options, root: Path) -> list[Path]:
    """Return the threshold files of a command line without paths."""
    if options.thresholds:
        return [find_thresholds(text, root) for text in options.thresholds]
    if is_demo_run(options, root):
        return [DEMO_THRESHOLDS]
    own = root / "thresholds" / "default.yaml"
    exists = file_kind(own, str(own), ThresholdError) is not None
    return [own if exists else shipped_profiles()["default"]]


def is_demo_run(options: Options, root: Path) -> bool:
    """Return True if all models are demo models.

    Raises:
        OptionError: demo models together with another model or a data folder.
    """
    demos = [spec for spec in options.models if spec in DEMO_MODELS]
    others = [spec for spec in options.models if spec not in DEMO_MODELS]
    if demos and others:
        raise OptionError(
            f"'{demos[0]}' brings its own images and thresholds; it cannot be judged together "
            f"with '{others[0]}'. Use two runs.",
            where="--model",
        )
    if demos and options.data is not None and not options.data_is_default:
        location = options.data
        label = location if isinstance(location, str) else shown_path(location, root)
        raise OptionError(
            where="--quba-data",
            got=f"'{label}', but '{demos[0]}' brings its own images",
            allowed="a data folder for any other model",
            hint="Leave the option out, or name another model.",
        )
    return bool(demos)


def shown_path(path: Path, root: Path) -> str:
    """Return the name of a file in ids and messages; a command line accepts it."""
    if path.is_relative_to(root) and not is_shipped(path, root):
        return one_line(path.relative_to(root).as_posix())
    return one_line(display_name(path))


def is_shipped(path: Path, root: Path) -> bool:
    """Return True for a threshold file of the installed package.

    A checkout of this project may be the root folder itself: its files are not shipped ones then.
    """
    in_root = path.is_relative_to(root) and "site-packages" not in path.parts
    return not in_root and display_name(path) != str(path)


def thresholds_at(path: Path, facts: SuiteFacts) -> Thresholds:
    """Read a threshold file for a command that works without a gate session.

    Args:
        path: a path, or the name of a shipped profile.
        facts: the suite whose parts the demands may name.
    """
    registry.load_entry_points()
    file = find_thresholds(str(path), Path.cwd())
    return read_thresholds(file, label=shown_path(file, Path.cwd()), suite=facts)


def check_thresholds(thresholds: Thresholds, options: Options, baseline: StoredRun | None) -> None:
    """Check a threshold file against the options of the run.

    Raises:
        OptionError: the file and an option exclude each other.
        PopulationError: the population of the file cannot grade anything.
    """
    label = thresholds.label
    given = options.protocol
    if None not in (thresholds.protocol, given) and thresholds.protocol != given:
        raise OptionError(
            where="--quba-protocol",
            got=f"'{given}', but {label} states protocol {thresholds.protocol}",
            hint="Leave the option out, or use a threshold file written for that protocol.",
        )
    if baseline is not None and any(demand.needs_baseline for demand in thresholds.demands):
        theirs = baseline.record.protocol
        ours = thresholds.protocol or given or "standard"
        if theirs != ours:
            raise OptionError(
                f"{baseline.file} is of protocol {theirs}, but {label} is about protocol {ours}",
                where="baseline",
                allowed=f"a record of a run under {ours}",
            )
    population_of(thresholds).scores(thresholds.quba.weights)


@dataclass(frozen=True, slots=True)
class PlannedDemand:
    """A demand of a threshold file on one model.

    Attributes:
        node_id: id of its pytest item, such as `FILE::accuracy[min]`.
        item: name of that item, `accuracy[min-MODEL]` if there are several models.
        model: name of the model.
        protocol: protocol of the measurement.
        thresholds: the file.
        demand: the demand.
    """

    node_id: str
    item: str
    model: str
    protocol: ProtocolName
    thresholds: Thresholds
    demand: Demand

    @property
    def key(self) -> tuple[str, ProtocolName]:
        """Model and protocol, which identify the evaluation."""
        return self.model, self.protocol


def distinct_label(key: tuple[str, ProtocolName], keys: Iterable[tuple[str, ProtocolName]]) -> str:
    """Return a label of a model and protocol, such as `MODEL: PROTOCOL: `.

    Names that all keys share are left out.
    """
    choices = zip(*keys, strict=True)  # all models, then all protocols
    return "".join(f"{name}: " for name, names in zip(key, choices, strict=False) if len(set(names)) > 1)


def plan_demands(
    models: Collection[str], files: Iterable[Thresholds], protocol: ProtocolName
) -> list[PlannedDemand]:
    """Return the demands of threshold files, in file order, model by model.

    Args:
        models: names of the models.
        files: the threshold files.
        protocol: protocol of files that state none.
    """
    planned = []
    for thresholds in files:
        for model in models:
            for demand in thresholds.demands:
                of_model = f"-{model}" if len(models) > 1 else ""
                item = f"{demand.target}[{demand.key}{of_model}]"
                # Escaped as in the record, which results are found by.
                node_id = one_line(f"{thresholds.label}::{item}")
                of_run = thresholds.protocol or protocol
                planned.append(PlannedDemand(node_id, one_line(item), model, of_run, thresholds, demand))
    return planned
