"""Threshold files and folders among the arguments of a command line."""

from pathlib import Path

from quba_check.gate.named_files import named_files, threshold_files


def test_a_folder_means_the_files_in_its_thresholds_folders(project: Path) -> None:
    files = threshold_files(["."], project)
    assert [file.relative_to(project).as_posix() for file in files] == [
        "sub/thresholds/c.yaml",
        "thresholds/a.yml",
        "thresholds/b.yaml",
    ]


def test_a_file_is_taken_once_and_wherever_it_is(project: Path) -> None:
    arguments = ["other/x.yaml::accuracy[min]", "other/x.yaml::accuracy[max]", "tests"]
    assert threshold_files(arguments, project) == (project / "other/x.yaml",)


def test_arguments_that_ask_for_a_model(project: Path) -> None:
    assert named_files(["tests", "thresholds", "other/x.yaml", "sub"], project) == [
        "thresholds",
        "other/x.yaml",
    ]
