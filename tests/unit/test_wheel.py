"""What `pip install` of this repository at a tag gives a project: the reader, which needs only pulumi."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
TAG = "v0.1.0"
OURS = ("maestro_stack", "pyproject.toml", "LICENSE")
"""All that an installation needs of the checkout."""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "GIT_", "PYTHON"))
    }
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by pip from a tag of a Git repository."""
    folder = tmp_path_factory.mktemp("wheel")
    repository = folder / "maestro-stack"
    repository.mkdir()
    for name in OURS:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, repository / name)
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.test", "-c", "commit.gpgsign=false")
    run(*git, "init", "--quiet", cwd=repository)
    run(*git, "add", ".", cwd=repository)
    run(*git, "commit", "--quiet", "--message", "All", cwd=repository)
    run(*git, "tag", TAG, cwd=repository)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check")
    source = f"git+{repository.as_uri()}@{TAG}"
    run(*pip, "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_is_the_reader_and_requires_pulumi_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(n).decode() for n in names if n.endswith("METADATA"))
    modules = {name for name in names if ".dist-info/" not in name}
    assert modules == {
        "maestro_stack/__init__.py",
        "maestro_stack/data/amazon-root-cas.pem",
        "maestro_stack/errors.py",
        "maestro_stack/kubeconfig.py",
        "maestro_stack/mqtt.py",
        "maestro_stack/names.py",
        "maestro_stack/outputs.py",
        "maestro_stack/permissions.py",
        "maestro_stack/py.typed",
    }
    required = [Requirement(line) for line in re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE)]
    assert [requirement.name for requirement in required] == ["pulumi"]
    assert required[0].specifier.contains(distribution("pulumi").version)
    assert f"Version: {TAG.removeprefix('v')}\n" in metadata


def test_the_build_backend_is_the_one_that_is_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["build-system"]["requires"] == [f"hatchling=={distribution('hatchling').version}"]


def needed(name: str, found: dict[str, Distribution] | None = None) -> dict[str, Distribution]:
    """A distribution and all that it needs, by name."""
    found = {} if found is None else found
    if name not in found:
        found[name] = distribution(name)
        for line in found[name].requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed(requirement.name, found)
    return found


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a clean environment with the wheel and what it requires: pulumi, linked from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for package in needed("pulumi").values():
        for top in {file.parts[0] for file in package.files or () if file.parts[0] != ".."} - {"__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(package.locate_file(top))))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--quiet", "--no-index", "--no-deps", wheel)
    assert "No broken requirements found" in run(*pip, "check")
    return python


def test_a_clean_environment_reads_outputs_with_it(python: Path, tmp_path: Path) -> None:
    program = """
import asyncio, importlib.util, pulumi
from maestro_stack.outputs import MaestroOutputs, contract

for absent in ("pulumi_aws", "pulumi_kubernetes", "pydantic", "boto3"):
    assert importlib.util.find_spec(absent) is None, absent

class Region(pulumi.runtime.Mocks):
    def new_resource(self, args):
        outputs = {row.name: row.example for row in contract()}
        return args.name, {"name": args.name, "outputs": outputs}
    def call(self, args):
        return {}

pulumi.runtime.set_mocks(Region(), preview=False)

@pulumi.runtime.test
def read():
    region = MaestroOutputs.from_stack(pulumi.StackReference("organization/maestro-stack/us-east-1"))
    agent = region.agent("mc-east")
    return pulumi.Output.all(region.maestro_iot_mqtt_port, agent.client_id, agent.policy).apply(show)

def show(values):
    print(*values, sep="\\n")

read()
import maestro_stack.names, maestro_stack.permissions
from maestro_stack.mqtt import amazon_root_cas
assert amazon_root_cas().count("BEGIN CERTIFICATE") == 4
"""
    port, client_id, policy = run(python, "-c", program, cwd=tmp_path).splitlines()
    assert (port, client_id) == ("8883", "maestro-agent-mc-east-client")
    assert "arn:aws:iot:us-east-1:123456789012:client/maestro-agent-mc-east-client" in policy


def test_type_checkers_see_its_types(python: Path, tmp_path: Path) -> None:
    (tmp_path / "consumer.py").write_text(
        "import pulumi\n"
        "from maestro_stack.outputs import MaestroOutputs\n"
        'region = MaestroOutputs.from_stack(pulumi.StackReference("x"))\n'
        "reveal_type(region.maestro_iot_mqtt_port)\n"
        'reveal_type(region.agent("mc").policy)\n'
    )
    pyright = shutil.which("pyright", path=str(Path(sys.executable).parent))
    if pyright is None:
        pytest.skip("pyright isn't installed")
    shown = run(pyright, "--pythonpath", python, "consumer.py", cwd=tmp_path)
    assert re.findall(r'Type of ".+" is "(.+)"', shown) == ["Output[int]", "Output[str]"]
