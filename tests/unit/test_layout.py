"""Every package imports only packages listed before it, and of those only what their docstrings offer."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest

from tools.lock import pins

ROOT = Path(__file__).parents[2]
LAYERS = (
    ("maestro_stack",),
    ("common",),
    ("policies", "tools"),
    ("engine",),
    ("checks",),
    ("emulator", "doctor"),
    ("controlplane", "fleet"),
    ("rehearsal",),
    ("review",),
    ("benchmarks",),
)
"""From the ground up: a package may import those on earlier lines, and none on its own line."""
LEVEL = {package: level for level, line in enumerate(LAYERS) for package in line}
BESIDE = ("charts", "docs", "examples")
"""Folders whose scripts may use everything, and that nothing imports."""
ONLY = {
    "maestro_stack": {
        "pulumi",
        "pulumi_aws",
        "pulumi_kubernetes",
        "pulumi_random",
        "jsonschema",
        "pydantic",
        "pydantic_core",
        "yaml",
    }
}
"""The packages that may use these libraries and no others."""
NEVER = {package: {"boto3", "botocore", "moto"} for package in ("checks", "engine", "fleet", "policies")} | {
    "doctor": {"moto"}
}
"""Libraries that a package must not use."""
LOCKS = {
    "requirements": ("maestro_stack",),
    "requirements-rehearsal": (*{*LEVEL} - {"doctor", "benchmarks"},),
    "requirements-doctor": ("maestro_stack", "common", "policies", "tools", "engine", "checks", "doctor"),
}
"""By what people install: the packages that need no more."""
ELSEWHERE = {"pulumi_policy", "_typeshed"}
"""Modules that the policy pack's own lock provides, and those that only type checkers know."""
PYYAML = (
    "charts/",
    "checks/",
    "controlplane/",
    "doctor/api.py",
    "doctor/cluster.py",
    "emulator/",
    "engine/",
    "maestro_stack/chart.py",
    "tests/chart/",
    "tests/cluster/",
    "tests/unit/test_csi_provider.py",
    "tests/unit/test_go_yaml.py",
    "tests/unit/test_server.py",
)
"""Modules that read or write YAML that Pulumi has no part in: manifests, charts, kubeconfigs."""


class Import(NamedTuple):
    """One imported name, and where it is imported."""

    file: Path
    line: int
    name: str

    @property
    def place(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.name}"


def files() -> list[Path]:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.py"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / name for name in names if (ROOT / name).exists()]


def imports_of(file: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (Import(file, node.lineno, f"{node.module}.{each.name}") for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, each.name) for each in node.names)


@cache
def offered(package: str) -> frozenset[str]:
    """The modules and names that a package's docstring offers to others."""
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    found = re.search(r"For others: (.*)\Z", ast.get_docstring(tree) or "", re.DOTALL)
    assert found, f'{package}/__init__.py must say "For others: `module`, …" at the end of its docstring'
    return frozenset(re.findall(r"`(\w+)`", found[1]))


def problem(found: Import) -> str | None:
    """What is wrong with an import and what to do about it; None if nothing is wrong."""
    own, (package, *rest) = found.file.relative_to(ROOT).parts[0], found.name.split(".")
    if package not in LEVEL:
        return _library_problem(found, own, package)
    if own in (package, "tests"):
        return None
    if own == "__main__.py" and package != "maestro_stack":
        return f"{found.place}: the program uses maestro_stack alone"
    if own in LEVEL and LEVEL[package] >= LEVEL[own]:
        return f"{found.place}: {own} stands before or beside {package} in LAYERS"
    if rest and rest[0] not in offered(package):
        return f"{found.place}: {package}/__init__.py doesn't offer {rest[0]} to others"
    return None


def _library_problem(found: Import, own: str, library: str) -> str | None:
    if library in sys.stdlib_module_names:
        return None
    if library in NEVER.get(own, ()) or (own in ONLY and library not in ONLY[own]):
        return f"{found.place}: {own} must do without {library}"
    return None


def unplaced(folders: list[str]) -> list[str]:
    """What to do about folders with Python files that the list doesn't have."""
    known = {*LEVEL, *BESIDE, "tests"}
    return [
        f"{folder}/ has no place in the layout: add it to LAYERS in tests/unit/test_layout.py before what "
        "imports it, say in its __init__ what others use, and give it a row in CONTRIBUTING.md, What is where"
        for folder in folders
        if folder not in known
    ]


def test_every_import_points_down_and_at_what_is_offered() -> None:
    problems = [said for file in files() for each in imports_of(file) if (said := problem(each))]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("lock", LOCKS)
def test_what_people_install_is_enough(lock: str) -> None:
    distributions, installed = packages_distributions(), {*pins(lock)}
    problems = [
        f"{each.place}: {lock}.in lacks it"
        for file in files()
        if file.relative_to(ROOT).parts[0] in LOCKS[lock]
        for each in imports_of(file)
        if (library := each.name.partition(".")[0]) not in {*LEVEL, *ELSEWHERE, *sys.stdlib_module_names}
        and not installed & {name.lower().replace("_", "-") for name in distributions.get(library, ())}
    ]
    assert not problems, "\n".join(problems)


def test_a_stack_s_file_is_read_and_written_as_the_engine_does() -> None:
    """PyYAML reads `on` as true, and writes the text 0o17 so that the engine reads a number."""
    imports = [each for file in files() for each in imports_of(file) if each.name == "yaml"]
    problems = [
        f"{each.place}: take engine.go_yaml or engine.project, or give the file its place in PYYAML"
        for each in imports
        if not each.file.relative_to(ROOT).as_posix().startswith(PYYAML)
    ]
    assert not problems, "\n".join(problems)


def test_every_folder_has_its_place() -> None:
    folders = sorted({file.relative_to(ROOT).parts[0] for file in files() if file.parent != ROOT})
    assert not (said := unplaced(folders)), "\n".join(said)


def test_the_map_has_every_folder() -> None:
    map_ = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## What is where")[2]
    missing = [package for package in (*LEVEL, "tests") if f"`{package}/`" not in map_]
    assert not missing, f"CONTRIBUTING.md, What is where, has no row for {', '.join(missing)}"


@pytest.mark.parametrize("package", LEVEL)
def test_what_a_package_offers_is_there(package: str) -> None:
    folder = ROOT / package
    there = {file.stem for file in folder.glob("*.py")}
    there |= {file.parent.name for file in folder.glob("*/__init__.py")}
    for node in ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            there |= {each.name for each in node.names}
        elif isinstance(node, ast.FunctionDef):
            there.add(node.name)
    assert offered(package) <= there


@pytest.mark.parametrize(
    ("file", "name", "said"),
    [
        pytest.param(
            "checks/mount.py",
            "emulator.aws",
            "checks/mount.py:1 imports emulator.aws: ",
            id="up",
        ),
        pytest.param(
            "fleet/cli.py", "controlplane", "fleet stands before or beside controlplane", id="beside"
        ),
        pytest.param("review/plan.py", "engine.language_host", "doesn't offer language_host", id="inside"),
        pytest.param("checks/mount.py", "moto", "checks must do without moto", id="library"),
        pytest.param("maestro_stack/names.py", "moto", "maestro_stack must do without moto", id="program"),
        pytest.param("__main__.py", "common.terminal", "uses maestro_stack alone", id="main"),
    ],
)
def test_an_import_that_points_elsewhere_is_named(file: str, name: str, said: str) -> None:
    assert said in (problem(Import(ROOT / file, 1, name)) or "")


def test_a_folder_without_a_place_is_told_where_to_go() -> None:
    [said] = unplaced(["checks", "gadgets"])
    assert said.startswith("gadgets/ has no place in the layout: add it to LAYERS in tests/unit/test_")
