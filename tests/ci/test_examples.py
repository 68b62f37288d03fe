"""The GitHub action, the workflows and the examples for CI systems: valid, safe, and shell steps run."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from ruamel.yaml import YAML
from support.demo_runs import demo_store
from support.tiny import write_suite
from support.tuned import judged, record

from quba_check.gate.options import OPTIONS

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"
VERDICT = ROOT / "verdict" / "action.yml"
EXAMPLES = ROOT / "examples" / "ci"
GITHUB = EXAMPLES / "github.yml"
GITLAB = EXAMPLES / "gitlab-ci.yml"
JENKINS = EXAMPLES / "Jenkinsfile"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
BIN = Path(sys.executable).parent


def content(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    return data


def action_steps(action: Path = ACTION) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = content(action)["runs"]["steps"]
    return steps


def github_steps(job: str = "gate", path: Path = GITHUB) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = content(path)["jobs"][job]["steps"]
    return steps


def all_steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in content(path)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        (GITLAB, "vendor.gitlab-ci"),
        *((path, "vendor.github-actions") for path in (ACTION, VERDICT)),
        *((path, "vendor.github-workflows") for path in (GITHUB, *WORKFLOWS)),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_schemas(path: Path, schema: str) -> None:
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    result = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_zizmor_has_no_finding() -> None:
    words = [str(BIN / "zizmor"), "--offline", "--persona=auditor", "--no-progress"]
    words += map(str, (ACTION, VERDICT, GITHUB, EXAMPLES / "attest.yml", *WORKFLOWS))
    result = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    "step",
    [
        *action_steps(),
        *action_steps(VERDICT),
        *(step for path in (GITHUB, *WORKFLOWS) for step in all_steps(path)),
    ],
    ids=lambda step: step.get("name", ""),
)
def test_no_script_has_expressions(step: dict[str, Any]) -> None:
    """GitHub pastes expressions into scripts; a title of a pull request could then run."""
    assert "${{" not in step.get("run", "")
    assert re.fullmatch(r".+@[0-9a-f]{40}", step.get("uses", f"a@{'0' * 40}"))


def test_inputs_and_outputs_of_the_action() -> None:
    action = content(ACTION)
    assert {"model", "arch", "preprocessing", "data", "baseline", "html"} <= set(action["inputs"])
    assert set(action["outputs"]) == {"verdict", "grade", "record", "html"}
    text = ACTION.read_text(encoding="utf-8")
    assert all(re.search(rf"inputs\.{name}\b", text) for name in action["inputs"])
    script = (ROOT / "scripts" / "github_gate.py").read_text(encoding="utf-8")
    (gate,) = (step for step in action_steps() if step["name"] == "Gate")
    read = re.findall(r"(?:names|SINGLE|SWITCHES) = \((.*?)\)", script)
    assert len(read) == 3
    names = {*re.findall(r'"(\w+)"', " ".join(read))}
    assert set(gate["env"]) == {f"QUBA_INPUT_{name.upper()}" for name in names}


def test_the_page_names_the_inputs() -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    inputs = content(ACTION)["inputs"]
    assert sorted(name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)) == sorted(inputs)
    blocks = [
        YAML(typ="safe").load(text)
        for text in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    ]
    (job,) = (block for block in blocks if "steps" in block)
    assert set(job["steps"][-1]["with"]) <= set(inputs)
    assert job["steps"][0]["uses"] in {step.get("uses") for step in github_steps()}


class Job:
    """A folder in which the shell steps of a job run, with the textured demo model and one demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_"))
        }
        self.environment = kept | {
            "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
            "MODEL": "demo-textured",
            "QUBA_DATA": "data",
            "PYTEST_ADDOPTS": "-k shape_bias -p no:cacheprovider",
            "PYTHONUTF8": "1",
            "OMP_NUM_THREADS": "1",
        }

    def run(self, script: str, **environment: str) -> tuple[int, str]:
        """Run a script as the services do; return its exit code and output."""
        result = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        return result.returncode, result.stdout


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A folder after the gate's step, which is the same command in all examples."""
    job = Job(tmp_path_factory.mktemp("job"))
    job.environment["QUBA_STORE"] = str(demo_store(tmp_path_factory))
    code, log = job.run(github_scripts()["Gate"], GITHUB_STEP_SUMMARY=str(job.folder / "page.md"))
    assert code == 1, log
    return job


def github_scripts(job: str = "gate", path: Path = GITHUB) -> dict[str, str]:
    return {step["name"]: step["run"] for step in github_steps(job, path) if "run" in step}


def missing(job: Job, names: Iterable[str]) -> list[str]:
    return [name for name in names if not (job.folder / name).is_file()]


def test_the_steps_for_github(gated: Job) -> None:
    scripts = github_scripts()
    assert list(scripts) == ["Install", "Gate", "Annotations", "Verdict"]
    assert (gated.folder / "page.md").read_text(encoding="utf-8").startswith("### ❌ FAIL: `demo-textured`")
    code, log = gated.run(scripts["Annotations"])
    assert code == 0
    assert log.startswith(
        "::error title=FAIL shape_bias[min] (demo-textured)::shape_bias 0.0039 is below 0.800"
    )
    assert gated.run(scripts["Verdict"])[0] == 1
    (upload,) = (step for step in github_steps() if "upload-artifact" in step.get("uses", ""))
    assert missing(gated, upload["with"]["path"].split()) == []


def test_the_scripts_for_gitlab(gated: Job) -> None:
    gate = content(GITLAB)["model-gate"]
    assert gate["script"] == [github_scripts()["Gate"], github_scripts()["Verdict"]]
    variables = {
        "CI_PROJECT_URL": "https://gitlab.example/p",
        "CI_COMMIT_SHA": "abc",
        "CI_JOB_URL": "https://job.example",
    }
    for script in gate["after_script"]:
        code, log = gated.run(script, **variables)
        assert code == 0, log
    artifacts = gate["artifacts"]
    reports = {name: gated.folder / path for name, path in artifacts["reports"].items()}
    assert missing(gated, [*artifacts["paths"], *artifacts["reports"].values()]) == []
    junit = reports["junit"].read_text(encoding="utf-8")
    assert junit.count("<system-out>[[ATTACHMENT|quba.html]]</system-out>") == 1
    links = json.loads(reports["annotations"].read_text(encoding="utf-8"))
    urls = [item["external_link"]["url"] for item in links["quba-check"]]
    assert urls == ["https://job.example/artifacts/file/quba.html"] * 2


def jenkins_scripts() -> list[str]:
    """The scripts of the pipeline, each on one line."""
    scripts = re.findall(r"^ *sh '{1,3}(.*?)'{1,3}$", JENKINS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [" ".join(script.replace("\\\\\n", " ").split()) for script in scripts]


def test_the_steps_for_jenkins(gated: Job) -> None:
    text = JENKINS.read_text(encoding="utf-8")
    assert text.count("{") == text.count("}")
    install, gate, verdict, _ = jenkins_scripts()
    assert "pip install" in install
    assert [gate, verdict] == [github_scripts()["Gate"], github_scripts()["Verdict"]]
    named = re.findall(r"(?:testResults|artifacts): '(.*)'", text)
    assert missing(gated, [name for names in named for name in names.split(", ")]) == []


@pytest.mark.parametrize("service", ["github", "gitlab", "jenkins"])
def test_the_approval_is_pushed(tmp_path: Path, service: str) -> None:
    job = Job(tmp_path / "job")
    remote = tmp_path / "remote.git"
    job.folder.mkdir()
    job.environment |= {
        **dict.fromkeys(("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "GITLAB_USER_EMAIL", "BUILD_TAG"), "ann"),
        **dict.fromkeys(("GITHUB_REF_NAME", "CI_COMMIT_BRANCH", "BRANCH_NAME"), "main"),
        "TOKEN": "t",
        "CI_JOB_TOKEN": "t",
        "GITHUB_REPOSITORY": "o/r",
        "CI_SERVER_HOST": "gitlab.example",
        "CI_PROJECT_PATH": "o/r",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": f"url.{remote}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://x-access-token:t@github.com/o/r",
        "GIT_CONFIG_KEY_1": f"url.{remote}.insteadOf",
        "GIT_CONFIG_VALUE_1": "https://gitlab-ci-token:t@gitlab.example/o/r.git",
    }
    setup = (
        f"git init -q --bare {remote} && git -C {remote} config receive.advertisePushOptions true"
        f" && git init -q . && git remote add origin {remote}"
    )
    assert job.run(setup)[0] == 0
    passed = judged("dimensions: {accuracy: {min: 0.5}}")
    (job.folder / "quba.json").write_text(passed.to_json(), encoding="utf-8")
    scripts = {
        "github": github_scripts("approve")["Approve"],
        "gitlab": "\n".join(content(GITLAB)["approve"]["script"]),
        "jenkins": jenkins_scripts()[-1],
    }
    code, log = job.run(scripts[service])
    assert code == 0, log
    shown = subprocess.run(
        ["git", "-C", str(remote), "log", "-1", "--format=%an: %s", "--name-only", "main"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    name = "jenkins" if service == "jenkins" else "ann"
    assert shown.startswith(f"{name}: Approve demo-textured as the baseline 'release'\n\nbaselines/release/")


def test_a_release_is_of_its_tag(tmp_path: Path) -> None:
    """Only the tag of the built version passes, with its section of the changelog as notes."""
    job = Job(tmp_path)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "quba_check-0.2.0-py3-none-any.whl").touch()
    shutil.copy(ROOT / "CHANGELOG.md", tmp_path)
    scripts = github_scripts("build", ROOT / ".github" / "workflows" / "release.yml")
    for name in ("Version", "Notes"):
        codes = [job.run(scripts[name], GITHUB_REF_NAME=tag)[0] for tag in ("v9.9.9", "v0.2.0")]
        assert codes == [1, 0], name
    notes = (tmp_path / "notes.md").read_text(encoding="utf-8")
    assert notes.startswith("\n### Added\n")
    assert "\n## " not in notes


def test_each_python_that_the_package_names_is_tested() -> None:
    matrix = content(ROOT / ".github" / "workflows" / "test.yml")["jobs"]["readme"]["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert min(matrix["python"]) in project["requires-python"]
    assert {*named} <= {*matrix["python"]}


def test_every_setting_of_the_ini_file_is_an_option() -> None:
    parser = ConfigParser()
    parser.read(EXAMPLES / "pytest.ini", encoding="utf-8")
    assert parser.sections() == ["pytest"]
    assert {*parser["pytest"]} <= {option.key for option in OPTIONS if option.has_ini}
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```ini\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert shown == (EXAMPLES / "pytest.ini").read_text(encoding="utf-8")


class Action(Job):
    """The steps of the action, with its inputs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.files = {name: folder / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        self.environment |= {
            "GITHUB_ACTION_PATH": str(ROOT),
            "RUNNER_TEMP": str(folder),
            **{name: str(path) for name, path in self.files.items()},
        }

    def steps(self, **inputs: str) -> Iterator[tuple[str, int, str]]:
        """Run the steps after the installation; yield name, exit code and output."""
        given = {name: entry.get("default", "") for name, entry in content(ACTION)["inputs"].items()} | inputs
        environment = {f"QUBA_INPUT_{name.upper()}": value for name, value in given.items()}
        for step in action_steps()[1:]:
            if step["name"] == "Comment" and given["comment"] != "true":
                continue
            found = self.outputs()
            more = {"QUBA_SUMMARY": found.get("summary", ""), "QUBA_CODE": found.get("code", "")}
            code, log = self.run(step["run"], **environment, **more)
            yield step["name"], code, log
            if code:
                return

    def outputs(self) -> dict[str, str]:
        path = self.files["GITHUB_OUTPUT"]
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return {
            name: value
            for name, _, value in re.findall(r"^(\w+)<<(end-\w+)\n(.*?)\n\2$", text, re.MULTILINE | re.DOTALL)
        }

    @property
    def summary(self) -> str:
        return self.files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")


@pytest.fixture
def action(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Action:
    action = Action(tmp_path)
    action.environment["QUBA_STORE"] = str(demo_store(tmp_path_factory))
    return action


@pytest.mark.parametrize(
    ("given", "installed"),
    [("", str(ROOT)), ("quba-check[onnx]; touch hacked", "quba-check[onnx]; touch hacked"), ("none", None)],
)
def test_the_installation(action: Action, given: str, installed: str | None) -> None:
    stub = action.folder / "bin" / "python"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\n", encoding="utf-8")
    stub.chmod(0o755)
    environment = {"PATH": f"{stub.parent}{os.pathsep}{os.environ['PATH']}", "QUBA_INPUT_INSTALL": given}
    expected = f"<-m><pip><install><--disable-pip-version-check><{installed}>" if installed else ""
    assert action.run(action_steps()[0]["run"], **environment) == (0, expected)


def test_a_model_that_fails_fails_the_job(action: Action) -> None:
    steps = list(action.steps(model="demo-textured", record="out/quba.json", html="out/quba.html"))
    assert [(name, code) for name, code, _ in steps] == [("Gate", 0), ("Comment", 0), ("Verdict", 1)]
    assert re.match(r"::stop-commands::(\w+)\n(?s:.)*\n::\1::\n::error title=FAIL shape_bias", steps[0][2])
    assert steps[1][2] == "quba-check: the job is not about a pull request, so there is no comment\n"
    assert action.outputs() == {
        "verdict": "fail",
        "grade": "",
        "record": "out/quba.json",
        "html": "out/quba.html",
        "code": "1",
        "summary": str(action.folder / "quba-check-summary.md"),
    }
    assert action.summary.startswith(
        "### ❌ FAIL: `demo-textured` · 0 of 1 demand passed, 1 failed, 10 not selected"
    )


def test_a_checkpoint_of_weights_alone(action: Action) -> None:
    write_suite(action.folder / "data")
    prepared = (
        "{input_size: [3, 32, 32], interpolation: bilinear, crop_pct: 1, mean: [0, 0, 0], std: [1, 1, 1]}"
    )
    (action.folder / "prep.yaml").write_text(prepared, encoding="utf-8")
    model = timm.create_model("test_resnet", num_classes=3)
    torch.save(model.state_dict(), action.folder / "plain.pt")
    action.environment["PYTEST_ADDOPTS"] = "-k parameters -p no:cacheprovider"
    inputs = {"model": "plain.pt", "data": "data", "comment": "false", "thresholds": "mobile"}
    steps = list(action.steps(**inputs, arch="test_resnet", preprocessing="prep.yaml"))
    assert "\nmodel plain: 32 × 32, bilinear, crop 1, mean 0, std 1 (from timm" in steps[0][2]
    assert action.outputs()["verdict"] == "partial"


def test_a_verdict_that_does_not_block(action: Action) -> None:
    action.environment["PYTEST_ADDOPTS"] = "-k parameters -p no:cacheprovider"
    inputs = {"model": "demo-textured\n demo\n", "blocking": "false", "comment": "false", "args": "-q\n"}
    steps = list(action.steps(**inputs))
    assert [(name, code) for name, code, _ in steps] == [("Gate", 0), ("Verdict", 0)]
    assert action.outputs()["verdict"] == "partial"
    names = ["quba-demo-standard.json", "quba-demo-textured-standard.json"]
    assert action.outputs()["record"].splitlines() == names


def test_a_baseline_that_the_record_would_replace(action: Action) -> None:
    text = record().to_json()
    (action.folder / "quba.json").write_text(text, encoding="utf-8")
    steps = list(action.steps(model="demo", baseline="./quba.json"))
    assert [(name, code) for name, code, _ in steps] == [("Gate", 0), ("Comment", 0), ("Verdict", 4)]
    assert (
        "quba.json is the file of --quba-baseline, which the record of this run would replace." in steps[0][2]
    )
    assert (action.folder / "quba.json").read_text(encoding="utf-8") == text


def test_records_are_of_the_models_of_the_action(action: Action) -> None:
    action.environment["PYTEST_ADDOPTS"] = "-k parameters -p no:cacheprovider"
    ((_, code, log),) = list(action.steps(model="demo", comment="false", args="--model=demo-textured"))[:1]
    assert code == 0
    assert "is a record of another model, got 'demo-textured'. Allowed: a record of demo as it is now." in log


def test_inputs_are_no_shell(action: Action) -> None:
    model = '"; touch hacked; $(touch hacked) `touch hacked`'
    steps = list(action.steps(model=model, blocking="false"))
    assert [(name, code) for name, code, _ in steps] == [("Gate", 0), ("Comment", 0), ("Verdict", 4)]
    assert not (action.folder / "hacked").exists()
    assert action.outputs()["verdict"] == "error"
    assert (
        action.summary
        == "### ❌ quba-check: the gate wrote no record (exit code 4); see the log of the job\n"
    )


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"model": " "},
            "::error title=quba-check::model: the input is empty. Allowed: one model per line.\n",
        ),
        (
            {"model": "demo", "blocking": "yes"},
            "::error title=quba-check::blocking: the input is neither true nor false.\n",
        ),
    ],
)
def test_wrong_inputs(action: Action, inputs: dict[str, str], message: str) -> None:
    assert list(action.steps(**inputs)) == [("Gate", 4, message)]
