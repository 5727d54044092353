"""The pinned tools: versions agree, tools are found and built once, and every refusal names the way out.

Builds are tested with a Go module of a few lines. Where Go is missing, those tests are skipped.
"""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from uuid import uuid4

import pytest

import tools
from tools.__main__ import main
from tools.builder import Builder
from tools.cache import Cache, cache_folder
from tools.catalogue import HERE, Tool, load, numbers
from tools.errors import BuildFailed, Impossible
from tools.go import explained
from tools.progress import Progress, minutes

ROOT = HERE.parent
PATIENCE = 120
"""Seconds that a build of a few lines gets on a busy machine."""
needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="needs Go on PATH (https://go.dev/dl/)")
each_tool = pytest.mark.parametrize("tool", load(), ids=lambda tool: tool.name)


def go_mod(tool: Tool) -> str:
    return (tool.folder / "go.mod").read_text()


# What is pinned.


def test_there_is_a_tool_for_every_folder_and_a_folder_for_every_tool() -> None:
    assert {tool.name for tool in load()} == {path.parent.name for path in HERE.glob("*/go.mod")}
    assert all((tool.folder / "go.sum").is_file() for tool in load())


@each_tool
def test_a_clone_has_all_that_it_is_built_from(tool: Tool) -> None:
    ours = ["main.go"] if "." in {executable.package for executable in tool.executables} else []
    command = ["git", "ls-files"]
    listed = subprocess.run(command, cwd=tool.folder, capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["go.mod", "go.sum", *ours]


def test_the_executables_are_those_that_tests_and_linters_ask_for() -> None:
    assert sorted(executable.name for tool in load() for executable in tool.executables) == [
        "actionlint",
        "etcd",
        "helm",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
        "kwok",
        "pulumi",
        "pulumi-language-yaml",
        "pulumi-resource-kubernetes",
    ]


@each_tool
def test_go_mod_requires_exactly_the_version(tool: Tool) -> None:
    required = dict(
        re.findall(r"^(?:require )?\s*(\S+) (v\S+)(?: // indirect)?$", go_mod(tool), re.MULTILINE)
    )
    assert required[tool.module] == tool.version
    if tool.name == "pulumi":  # its SDK is another module of the same release
        assert required["github.com/pulumi/pulumi/sdk/v3"] == tool.version


@each_tool
def test_go_mod_names_the_packages_as_its_tools(tool: Tool) -> None:
    named = re.search(r"^tool (\([^)]*\)|\S+)$", go_mod(tool), re.MULTILINE)
    theirs = {executable.package for executable in tool.executables} - {"."}  # "." is a main package of ours
    assert set(named[1].strip("()").split() if named else ()) == theirs


def test_kubernetes_staging_modules_are_of_the_same_release() -> None:
    [kubernetes] = [tool for tool in load() if tool.name == "kubernetes"]
    replaced = re.findall(r"^\s*(k8s\.io/\S+) => (\S+) (\S+)$", go_mod(kubernetes), re.MULTILINE)
    assert len(replaced) > 25
    assert {(module, version) for module, _, version in replaced} == {
        (module, kubernetes.version.replace("v1.", "v0.")) for _, module, _ in replaced
    }


def test_the_pinned_pulumi_satisfies_the_project() -> None:
    [pulumi] = [tool for tool in load() if tool.name == "pulumi"]
    assert pulumi.required_on_path is not None
    assert numbers(pulumi.version) >= numbers(pulumi.required_on_path)


def test_every_tool_is_told_its_version_and_is_documented() -> None:
    documented = (ROOT / "tools" / "README.md").read_text()
    for tool in load():
        own = [text for text in tool.link if "gitM" not in text and "k8sVersion" not in text]
        assert all(tool.version in text for text in own)
        for executable in tool.executables:
            assert f"`{executable.name}`" in documented
            assert tool.page(executable.name).startswith("https://") is (tool.name != "pulumi-kubernetes")
        assert tool.version not in documented  # versions.toml is the one place


def test_helm_takes_an_unknown_cluster_for_one_of_its_clients_version() -> None:
    [helm] = [tool for tool in load() if tool.name == "helm"]
    [minor] = re.findall(r"^\s*k8s\.io/client-go v0\.(\d+)\.", go_mod(helm), re.MULTILINE)
    assert {text.rpartition(".")[2] for text in helm.link if "k8s" in text} == {
        "k8sVersionMajor=1",
        f"k8sVersionMinor={minor}",
    }


def test_renovate_reads_every_version_of_the_file() -> None:
    renovate = json.loads((ROOT / "renovate.json").read_text())
    [manager] = renovate["customManagers"]
    pattern = manager["matchStrings"][0].replace("(?<", "(?P<")
    found = {
        match["depName"]: match["currentValue"]
        for match in re.finditer(pattern, (HERE / "versions.toml").read_text())
    }
    assert found == {tool.module: tool.version for tool in load()}
    # No Go code of ours imports a tool, so go.mod calls it indirect, which Renovate leaves alone unless told.
    named = [name for rule in renovate["packageRules"] for name in rule.get("matchPackageNames", [])]
    assert [tool.module for tool in load() if not any(fnmatch(tool.module, name) for name in named)] == []


@pytest.mark.parametrize(
    ("said", "is_it"),
    [
        ("v1.2.3", True),
        ("1.2.3", True),
        ("etcd Version: 1.2.3\nGo Version: go1.26.8", True),
        ("v1.2.3+g8fb76d6", True),
        ("v1.2.30", False),
        ("v1.2.3.4", False),
        ("v11.2.3", False),
        ("v0.1.2.3", False),
        ("v1.2.3-rc.1", False),
        ("v1.2.4 (formerly v1x2x3)", False),
        ("", False),
    ],
)
def test_a_version_is_told_from_similar_ones(said: str, is_it: bool) -> None:  # noqa: FBT001
    assert tiny_tool().says_its_version(said) is is_it


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"MAESTRO_TOOLS": "/t", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/t"),
        ({"MAESTRO_TOOLS": "", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/maestro-stack/tools"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/maestro-stack/tools"),
        ({"HOME": "/h"}, "/h/.cache/maestro-stack/tools"),
    ],
)
def test_the_cache_is_where_the_environment_says(environ: Mapping[str, str], folder: str) -> None:
    assert cache_folder(environ) == Path(folder)


# What is found.


@dataclass
class Workshop:
    """A folder like tools/, with one tool of a few lines of Go, and a cache of its own."""

    folder: Path
    cache: Path
    environ: dict[str, str]
    started: Path = field(init=False)  # appears when Go compiles the main package, if it is `held`
    release: Path = field(init=False)  # lets it go on
    compiled: Path = field(init=False)  # the packages of ours that were compiled so far

    def __post_init__(self) -> None:
        self.started, self.release = self.folder / "started", self.folder / "release"
        self.compiled = self.folder / "compiled"

    @property
    def place(self) -> Path:
        return self.cache / "tiny" / "v1.2.3" / "tiny"

    @property
    def tools(self) -> tuple[Tool, ...]:
        return load(self.folder)

    def left(self) -> list[str]:
        """What is in the cache besides the lock."""
        files = [path.relative_to(self.cache) for path in self.cache.rglob("*")]
        return sorted(str(path) for path in files if path.name != ".lock")

    def put(self, says: str) -> Path:
        """Put an executable at the tool's place by hand."""
        return script(self.place, f"echo '{says}'")

    def hold(self) -> None:
        """Make compilations of the main package wait for `release`, and record all of ours."""
        wrapper = script(
            self.folder / "wrapper",
            'case "$*" in',
            "*-V=full*) ;;",
            f'*" -p example.com/tiny/part "*) echo part >>{self.compiled};;',
            f'*" -p main "*) echo main >>{self.compiled}; echo $$ >{self.started}',
            f"  while [ ! -e {self.release} ]; do sleep 0.02; done;;",
            "esac",
            'exec "$@"',
        )
        self.environ["GOFLAGS"] = f"-toolexec={wrapper}"

    def start(self, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """`python -m tools` over this folder."""
        program = (
            "import signal, sys; from pathlib import Path; from tools.__main__ import run; "
            # Where the tests run in the background, SIGINT is ignored, and child processes inherit that.
            "signal.signal(signal.SIGINT, signal.default_int_handler); "
            "sys.exit(run(sys.argv[2:], folder=Path(sys.argv[1])))"
        )
        return subprocess.Popen(
            [sys.executable, "-c", program, str(self.folder), *arguments],
            cwd=ROOT,
            env=self.environ,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    def make(self, *arguments: str) -> tuple[int, str]:
        """Run it to its end: exit status, and all that it wrote."""
        with self.start(*arguments) as process:
            stdout, stderr = process.communicate(timeout=PATIENCE)
        return process.returncode, stdout + stderr


def script(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


VERSIONS = """
[tiny]
purpose = "none"
module = "example.com/tiny"
version = "v1.2.3"
link = ["main.version={version}"]
by_hand = "https://example.com/tiny/{version}"
seconds = 1
megabytes = 2
compile_megabytes = 40

[tiny.executables]
tiny = { package = "example.com/tiny", version = ["--version"] }
"""


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    folder, cache = tmp_path / "tools", tmp_path / "cache"
    tiny = folder / "tiny"
    (tiny / "part").mkdir(parents=True)
    (folder / "versions.toml").write_text(VERSIONS)
    (tiny / "go.mod").write_text("module example.com/tiny\n\ngo 1.21\n")
    # Go's build cache is the user's: what is compiled here must be new to it.
    (tiny / "part" / "part.go").write_text(f'package part\n\nconst Nonce = "{uuid4()}"\n')
    (tiny / "main.go").write_text(
        "package main\n\n"
        'import "example.com/tiny/part"\n\n'
        'var version = "unset"\n\n'
        'func main() { println("tiny", version, len(part.Nonce)) }\n'
    )
    environ = {**os.environ, "MAESTRO_TOOLS": str(cache), "GOFLAGS": "", "PYTHONDONTWRITEBYTECODE": "1"}
    workshop = Workshop(folder, cache, environ)
    yield workshop
    workshop.release.touch()


def tiny_tool() -> Tool:
    return Tool(
        name="tiny",
        purpose="none",
        folder=Path("/nowhere"),
        module="example.com/tiny",
        version="v1.2.3",
        link=(),
        by_hand="",
        required_on_path=None,
        seconds=1,
        megabytes=1,
        compile_megabytes=1,
        executables=(),
    )


def test_what_is_in_the_cache_is_found_and_what_is_not_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAESTRO_TOOLS", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    [etcd] = [tool for tool in load() if tool.name == "etcd"]
    assert tools.find("etcd") is None
    assert "etcd" in tools.missing()
    place = script(tmp_path / "etcd" / etcd.version / "etcd", f"echo etcd Version: {etcd.version[1:]}")
    assert tools.find("etcd") == place
    assert "etcd" not in tools.missing()
    assert "kubectl" in tools.missing()


def test_a_name_that_no_tool_has_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"'terraform'.*versions\.toml"):
        tools.find("terraform")


def test_an_executable_is_asked_for_its_version_once(workshop: Workshop) -> None:
    [tool] = workshop.tools
    asked = workshop.cache / "asked"
    place = script(workshop.place, f"echo x >>{asked}", "echo v1.2.3")
    for _ in range(3):
        found = Cache(workshop.cache, {}).find(tool, tool.executables[0])
        assert found.path == place
    assert asked.read_text().split() == ["x"]
    # Another file under the same name is asked again.
    workshop.put("v1.2.4")
    assert Cache(workshop.cache, {}).find(tool, tool.executables[0]).path is None


def test_an_executable_that_cannot_be_asked_is_what_its_folder_says(tmp_path: Path) -> None:
    [tool] = [tool for tool in load() if tool.name == "pulumi-yaml"]
    [executable] = tool.executables
    cache = Cache(tmp_path, {"PATH": ""})
    assert cache.find(tool, executable).path is None
    place = script(cache.place(tool, executable.name), "exit 1")
    assert cache.find(tool, executable).path == place


def forbid(place: Path) -> None:
    place.chmod(0o644)


def says_another(place: Path) -> None:
    script(place, "echo v1.2.4")


def says_nothing(place: Path) -> None:
    script(place, "exit 1")


def is_of_another_machine(place: Path) -> None:
    place.write_bytes(b"\x7fELF")


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (forbid, "isn't an executable file"),
        (says_another, "says v1.2.4, not v1.2.3"),
        (says_nothing, "says nothing, not v1.2.3"),
        (is_of_another_machine, "says Exec format error, not v1.2.3"),
    ],
)
def test_what_cannot_be_used_is_not_found_and_the_reason_is_given(
    spoil: Callable[[Path], object], problem: str, workshop: Workshop
) -> None:
    [tool] = workshop.tools
    spoil(workshop.put("v1.2.3"))
    found = Cache(workshop.cache, {}).find(tool, tool.executables[0])
    assert found.path is None
    assert problem in found.problem


@pytest.mark.parametrize(
    ("says", "is_used"),
    [
        ("v3.208.0", True),
        ("v3.208.1", True),
        ("v3.300.0-alpha.1+dirty", True),
        ("v4.0.0", True),
        ("v3.207.9", False),
        ("v3.208.0-alpha.xabc", False),
        ("pulumi: broken", False),
    ],
)
def test_a_suitable_pulumi_on_path_is_used(says: str, is_used: bool, tmp_path: Path) -> None:  # noqa: FBT001
    [pulumi] = [tool for tool in load() if tool.name == "pulumi"]
    assert pulumi.required_on_path == "3.208.0"
    on_path = script(tmp_path / "bin" / "pulumi", f"echo '{says}'")
    cache = Cache(tmp_path / "cache", {"PATH": str(on_path.parent)})
    found = cache.find(pulumi, pulumi.executables[0])
    assert (found.path, found.source) == ((on_path, "PATH") if is_used else (None, None))
    assert bool(found.note) is not is_used


# What is listed, and the command line.


def at(workshop: Workshop, monkeypatch: pytest.MonkeyPatch, **environ: str) -> Callable[..., int]:
    for name, value in {**workshop.environ, **environ}.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: main(arguments, folder=workshop.folder)


def test_the_list_says_where_a_tool_is_or_how_to_get_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tool_command = at(workshop, monkeypatch)
    assert tool_command("--list") == 0
    missing = capsys.readouterr().out
    assert re.search(r"^tiny +v1\.2\.3 +missing$", missing, re.MULTILINE)
    assert "https://example.com/tiny/v1.2.3" in missing
    assert f"to {workshop.place}" in missing
    workshop.put("v1.2.3")
    assert tool_command("--list") == 0
    assert capsys.readouterr().out.split() == ["tiny", "v1.2.3", str(workshop.place)]


def test_the_list_is_json_for_programs(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.put("v9.9.9")
    assert at(workshop, monkeypatch)("--list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed == {
        "version": 1,
        "cache": str(workshop.cache),
        "tools": [
            {
                "name": "tiny",
                "tool": "tiny",
                "version": "v1.2.3",
                "purpose": "none",
                "path": None,
                "source": None,
                "problem": f"{workshop.place} says v9.9.9, not v1.2.3",
                "note": "",
            }
        ],
    }
    documented = (ROOT / "tools" / "README.md").read_text()
    assert [key for key in (*listed, *listed["tools"][0]) if f"`{key}`" not in documented] == []


def test_a_reader_that_has_seen_enough_causes_no_traceback(workshop: Workshop) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with workshop.start("--list", stdout=writing) as process:
        os.close(writing)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == 130


@pytest.mark.parametrize("arguments", [["--json"], ["--lits"]])
def test_a_wrong_option_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_an_unknown_name_ends_with_2_and_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["terraform"]) == 2
    assert "There is no tool terraform; there are: actionlint, etcd, helm" in capsys.readouterr().err


def test_what_is_there_is_not_built_nor_is_go_needed(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.put("v1.2.3")
    before = workshop.left()
    assert at(workshop, monkeypatch, PATH="/nowhere")() == 0
    assert capsys.readouterr().out == f"Ready: tiny in {workshop.cache}\n"
    assert not (workshop.cache / ".lock").exists()
    assert workshop.left() == sorted([*before, "tiny/v1.2.3/.tiny.checked"])


# What stands in the way.


def test_without_go_each_tool_is_named_with_its_page_and_place(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert at(workshop, monkeypatch, PATH="/nowhere")() == 2
    said = capsys.readouterr().err
    assert "Go isn't on PATH. Install Go 1.21 or later (https://go.dev/dl/)" in said
    assert "tiny v1.2.3 from https://example.com/tiny/v1.2.3" in said
    assert f"to {workshop.place}" in said
    assert "Traceback" not in said
    assert workshop.left() == []


@pytest.mark.parametrize(
    ("go", "said"),
    [
        ("printf 'go1.20.14\\nlinux\\namd64\\nx\\n/c\\n'", "is go1.20.14"),
        (
            "echo 'go: go.mod requires go >= 1.21 (running go 1.20.14; GOTOOLCHAIN=local)' >&2; exit 1",
            ">= 1.21",
        ),
        ("echo 'go: download go1.21 for linux/amd64: toolchain not available' >&2; exit 1", "toolchain not"),
    ],
    ids=["answers", "refuses", "can't fetch itself"],
)
def test_a_go_that_is_too_old_is_named_with_the_one_that_is_needed(
    go: str,
    said: str,
    workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script(workshop.folder / "bin" / "go", go)
    assert at(workshop, monkeypatch, PATH=f"{workshop.folder / 'bin'}:/bin:/usr/bin")() == 2
    error = capsys.readouterr().err
    assert "Go 1.21 or later is needed" in error
    assert said in error
    assert "https://go.dev/dl/" in error


@needs_go
def test_a_go_mod_that_asks_for_a_newer_go_than_the_local_one_is_refused(workshop: Workshop) -> None:
    go_mod = workshop.folder / "tiny" / "go.mod"
    go_mod.write_text(go_mod.read_text().replace("go 1.21", "go 1.999"))
    workshop.environ["GOTOOLCHAIN"] = "local"
    status, said = workshop.make()
    assert status == 2
    assert "Go 1.999 or later is needed:" in said
    assert re.search(r"go1\.\d+", said)


def unwritable(tmp_path: Path) -> Path:
    """A folder that this user can't write to, even as root."""
    if os.geteuid() == 0:
        return Path("/sys")
    folder = tmp_path / "unwritable"
    folder.mkdir()
    folder.chmod(0o500)
    return folder


def below_unwritable(tmp_path: Path) -> Path:
    return unwritable(tmp_path) / "below"


def below_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file" / "tools"


@pytest.mark.parametrize(
    "cache",
    [unwritable, below_unwritable, below_a_file],
)
def test_a_cache_that_cannot_be_written_is_named_with_the_variable(
    cache: Callable[[Path], Path],
    workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    folder = cache(tmp_path)
    assert at(workshop, monkeypatch, MAESTRO_TOOLS=str(folder))() == 2
    said = capsys.readouterr().err
    assert f"The tools' folder {folder} can't be written" in said
    assert "MAESTRO_TOOLS=/a/folder" in said
    assert "Traceback" not in said


@needs_go
def test_too_little_space_is_reported_before_anything_is_built(workshop: Workshop) -> None:
    cache = Cache(workshop.cache, workshop.environ)
    builder = Builder(
        cache=cache, environ=workshop.environ, progress=Progress(io.StringIO()), free=lambda _: 9
    )
    with pytest.raises(Impossible, match=r"(?s)9 MB are free for .*\(MAESTRO_TOOLS\).*go clean -cache"):
        builder.build_missing(workshop.tools, ["tiny"])
    assert workshop.left() == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            'go: example.com/a@v1.0.0: Get "https://p/…": dial tcp: lookup p: no such host',
            "Check the network, HTTPS_PROXY and GOPROXY",
        ),
        ("main.go:3:8: module lookup disabled by GOPROXY=off", "It asked GOPROXY=https://p"),
        (
            "write /home/someone/.cache/go-build/01/01ab-d: no space left on device",
            "Free some space and run this again",
        ),
        (
            "example.com/tiny: /go/pkg/tool/linux_amd64/link: signal: killed",
            "ran out of memory",
        ),
        (
            "fork/exec /go/pkg/tool/linux_amd64/compile: cannot allocate memory",
            "end other programs",
        ),
        (
            "main.go:4:2: missing go.sum entry for module providing package example.com/a",
            "git checkout tools/tiny",
        ),
        ("go: updates to go.mod needed; to update it:\n\tgo mod tidy", "git checkout tools/tiny"),
        (
            "verifying example.com/a@v1.0.0: checksum mismatch\n\nSECURITY ERROR\nThis download",
            "Don't work around this",
        ),
        ("# example.com/tiny\n./main.go:1:1: syntax error", "install it by hand"),
    ],
    ids=[
        "no network",
        "proxy off",
        "disk full",
        "killed",
        "no memory",
        "no sum",
        "go.mod",
        "wrong sum",
        "compiler",
    ],
)
def test_what_go_says_is_shown_with_the_way_out(said: str, expected: str) -> None:
    error = explained(tiny_tool(), said, proxy="https://p")
    assert isinstance(error, BuildFailed)
    assert error.status == 1
    assert expected in str(error)
    assert all(f"    {line}" in str(error) for line in said.splitlines())


# What is built.


@needs_go
def test_a_tool_is_built_once_with_its_version_and_nothing_else_is_left(workshop: Workshop) -> None:
    status, said = workshop.make()
    assert status == 0, said
    assert re.search(r"^\[1/1\] tiny v1\.2\.3: 2 of \d+ packages to compile$|: \d+ of", said, re.MULTILINE)
    assert re.search(r"^\[1/1\] tiny v1\.2\.3: built in \d:\d\d$", said, re.MULTILINE)
    assert said.startswith(f"Ready: tiny in {workshop.cache}\n")
    assert workshop.left() == [
        "tiny",
        "tiny/v1.2.3",
        "tiny/v1.2.3/.tiny.checked",
        "tiny/v1.2.3/tiny",
    ]
    built = workshop.place.stat()
    assert workshop.make()[0] == 0
    assert workshop.place.stat().st_mtime_ns == built.st_mtime_ns


@needs_go
def test_each_build_says_how_long_it_and_the_rest_take(workshop: Workshop) -> None:
    shutil.copytree(workshop.folder / "tiny", workshop.folder / "other")
    table = VERSIONS.replace("seconds = 1\n", "seconds = 99999\n")
    other = table.replace("[tiny", "[other").replace("\ntiny =", "\nother =")
    (workshop.folder / "versions.toml").write_text(table + other)
    status, said = workshop.make()
    assert status == 0, said
    first = r"\[1/2\] tiny v1\.2\.3: 2 of \d+ packages to compile, about \d+ min, then \d+ min for the rest"
    assert re.search(rf"^{first}$", said, re.MULTILINE), said
    second = r"\[2/2\] other v1\.2\.3: 0 of \d+ packages to compile"  # the first has compiled them
    assert re.search(rf"^{second}$", said, re.MULTILINE), said


@needs_go
def test_settings_of_the_user_that_would_spoil_the_build_are_overruled(workshop: Workshop) -> None:
    workshop.environ |= {
        "GOFLAGS": "-mod=mod",
        "GOOS": "plan9",
        "GOARCH": "arm",
        "GOWORK": "/nowhere/go.work",
    }
    before = (workshop.folder / "tiny" / "go.mod").read_text()
    status, said = workshop.make("tiny")
    assert status == 0, said
    assert (workshop.folder / "tiny" / "go.mod").read_text() == before


@needs_go
def test_a_wrong_version_in_the_cache_is_reported_and_rebuilt(workshop: Workshop) -> None:
    workshop.put("v9.9.9")
    status, said = workshop.make()
    assert status == 0, said
    assert f"{workshop.place} says v9.9.9, not v1.2.3: it is rebuilt" in said
    [tool] = workshop.tools
    assert Cache(workshop.cache, {}).find(tool, tool.executables[0]).path == workshop.place


@needs_go
def test_a_tool_that_does_not_know_its_version_is_not_kept(workshop: Workshop) -> None:
    versions = workshop.folder / "versions.toml"
    versions.write_text(versions.read_text().replace("main.version", "main.misspelt"))
    status, said = workshop.make()
    assert status == 1
    assert "tiny was built from example.com/tiny v1.2.3, but says tiny unset" in said
    assert workshop.left() == []


@needs_go
def test_a_compilation_error_is_shown(workshop: Workshop) -> None:
    (workshop.folder / "tiny" / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    status, said = workshop.make()
    assert status == 1
    assert "main.go:3:15: undefined: undefined" in said
    assert workshop.left() == []


@needs_go
def test_an_unreachable_module_proxy_is_named(workshop: Workshop) -> None:
    tiny = workshop.folder / "tiny"
    (tiny / "go.mod").write_text("module example.com/tiny\n\ngo 1.21\n\nrequire example.com/absent v1.0.0\n")
    sums = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    (tiny / "go.sum").write_text(
        f"example.com/absent v1.0.0 {sums}\nexample.com/absent v1.0.0/go.mod {sums}\n"
    )
    (tiny / "main.go").write_text('package main\n\nimport _ "example.com/absent"\n\nfunc main() {}\n')
    with socket.socket() as closed:  # bound and not listening: a connection is refused
        closed.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
        workshop.environ |= {"GOPROXY": proxy}
        status, said = workshop.make()
    assert status == 1
    assert f"It asked GOPROXY={proxy}" in said
    assert "connection refused" in said
    assert workshop.left() == []


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} didn't happen within {PATIENCE} s"
        time.sleep(0.02)


def is_running(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        # An orphan whose new parent doesn't reap it leaves only its entry.
        state = Path(f"/proc/{process}/stat")
        return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
    return False


@needs_go
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_leaves_nothing_and_is_continued(number: int, workshop: Workshop) -> None:
    workshop.hold()
    with workshop.start() as process:
        wait_for(lambda: workshop.started.exists() and workshop.started.read_text(), "the compilation")
        compiler = int(workshop.started.read_text())
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert said.endswith("interrupted; what is compiled is kept, run this again to continue\n")
    assert workshop.left() == []
    assert not is_running(compiler)
    workshop.release.touch()
    assert workshop.make()[0] == 0
    assert workshop.compiled.read_text().split() == ["part", "main", "main"]  # the finished part only once


@needs_go
def test_two_builds_at_once_build_once_and_say_that_one_waits(workshop: Workshop) -> None:
    workshop.hold()
    with workshop.start() as first:
        wait_for(workshop.started.exists, "the compilation")
        with workshop.start() as second:
            assert second.stderr is not None
            assert second.stderr.readline() == (
                f"Another build (process {first.pid}) is at work in the same folder; this one waits for it.\n"
            )
            workshop.release.touch()
            assert second.wait(PATIENCE) == 0
        assert first.wait(PATIENCE) == 0
    assert workshop.compiled.read_text().split() == ["part", "main"]


@needs_go
def test_after_a_killed_build_the_next_waits_for_its_go_and_cleans_up(workshop: Workshop) -> None:
    workshop.hold()
    with workshop.start() as killed:
        wait_for(workshop.started.exists, "the compilation")
        killed.kill()
        killed.wait(PATIENCE)
        assert any(".building" in name for name in workshop.left())
        with workshop.start() as second:
            assert second.stderr is not None
            assert "this one waits" in second.stderr.readline()
            workshop.release.touch()
            assert second.wait(PATIENCE) == 0
    assert [name for name in workshop.left() if ".building" in name] == []
    assert workshop.place.exists()


# How it is shown.


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Clock:
    now: float = 0

    def __call__(self) -> float:
        return self.now


def shown(stream: io.StringIO) -> str:
    clock = Clock()
    progress = Progress(stream, clock=clock)
    progress.start("etcd v3.7.3", "565 packages to compile")
    for second in range(65):
        clock.now = second
        progress.tick(f"{second * 8} of 565 packages compiled")
    progress.done(f"built in {progress.elapsed}")
    return stream.getvalue()


def test_where_nobody_watches_there_is_a_line_at_start_every_half_minute_and_at_the_end() -> None:
    assert shown(io.StringIO()).splitlines() == [
        "etcd v3.7.3: 565 packages to compile",
        "etcd v3.7.3: 240 of 565 packages compiled, 0:30",
        "etcd v3.7.3: 480 of 565 packages compiled, 1:00",
        "etcd v3.7.3: built in 1:04",
    ]


@pytest.mark.parametrize(
    ("environ", "mark"),
    [({}, "\x1b[32m✓\x1b[0m "), ({"NO_COLOR": "1"}, "✓ "), ({"NO_COLOR": ""}, "\x1b[32m✓")],
)
def test_on_a_terminal_one_line_changes(
    environ: Mapping[str, str], mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    lines = shown(Terminal())
    assert "\r\x1b[Ketcd v3.7.3: 80 of 565 packages compiled  0:10\r\x1b[K" in lines
    assert lines.count("\n") == 1
    assert f"\r\x1b[K{mark}" in lines
    assert lines.endswith("etcd v3.7.3: built in 1:04\n")


def test_a_line_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    Progress(stream).start("etcd v3.7.3", "a long explanation of what happens")
    assert len(stream.getvalue().removeprefix("\r\x1b[K")) == 19


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (65, "1:05"), (600, "10:00"), (3665, "1:01:05")]
)
def test_times_are_minutes_and_seconds(seconds: float, text: str) -> None:
    assert minutes(seconds) == text


@each_tool
def test_the_documented_go_can_build_it(tool: Tool) -> None:
    documented = re.search(
        r"\[Go\]\(https://go\.dev/dl/\) (\S+) or later", (ROOT / "tools" / "README.md").read_text()
    )
    assert documented is not None
    assert numbers(tool.needed_go)[:2] <= numbers(documented[1])
