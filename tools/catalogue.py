"""Which tools there are: versions.toml as values."""

import platform
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Executable:
    """One program of a tool."""

    name: str
    package: str
    version_arguments: tuple[str, ...]  # that make it print its version; empty: it can't


@dataclass(frozen=True, kw_only=True)
class Tool:
    """One Go module and the programs that are built from it."""

    name: str
    purpose: str
    folder: Path  # holds its go.mod and go.sum
    module: str
    version: str  # as Go writes it: v1.2.3
    link: tuple[str, ...]  # the linker's -X arguments
    by_hand: str  # address of its makers' download page; empty: they publish no such executable
    required_on_path: str | None  # the oldest usable version on PATH; None: PATH isn't searched
    seconds: int  # of a cold build on two cores
    megabytes: int  # of its executables
    compile_megabytes: int  # that Go's build cache grows by
    executables: tuple[Executable, ...]

    def page(self, executable: str) -> str:
        """Where its makers publish `executable` for this machine; empty if they don't."""
        machine = platform.machine().lower()
        return self.by_hand.format(
            version=self.version,
            os=platform.system().lower(),
            arch={"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine),
            executable=executable,
        )

    @property
    def needed_go(self) -> str:
        """The oldest Go that can build it, as written in its go.mod: 1.26."""
        line = re.search(r"^go (\S+)$", (self.folder / "go.mod").read_text("utf-8"), re.MULTILINE)
        return line[1] if line else ""

    def says_its_version(self, text: str) -> bool:
        """Whether `text`, which an executable printed, names this version and not merely a similar one."""
        number = re.escape(self.version.removeprefix("v"))
        return re.search(rf"(?<![\d.])v?{number}(?!\d|\.\d|-)", text) is not None


def load(folder: Path = HERE) -> tuple[Tool, ...]:
    """The tools in `folder`/versions.toml, in the order in which they are built."""
    tables = tomllib.loads((folder / "versions.toml").read_text(encoding="utf-8"))
    return tuple(_tool(folder, name, table) for name, table in tables.items())


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparing: of `v1.26.0-rc.1`, (1, 26, 0)."""
    found = re.match(r"\D*(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _tool(folder: Path, name: str, table: dict[str, object]) -> Tool:
    version = _text(table, "version")
    major, minor, *_ = (str(number) for number in numbers(version))
    link = table.get("link", [])
    return Tool(
        name=name,
        purpose=_text(table, "purpose"),
        folder=folder / name,
        module=_text(table, "module"),
        version=version,
        link=tuple(text.format(version=version, major=major, minor=minor) for text in _texts(link)),
        by_hand=_text(table, "by_hand"),
        required_on_path=_required_pulumi(folder.parent / "Pulumi.yaml") if table.get("from_path") else None,
        seconds=_number(table, "seconds"),
        megabytes=_number(table, "megabytes"),
        compile_megabytes=_number(table, "compile_megabytes"),
        executables=tuple(
            Executable(
                name=executable,
                package=_text(facts, "package"),
                version_arguments=_texts(facts["version"]),
            )
            for executable, facts in _tables(table["executables"])
        ),
    )


def _required_pulumi(project: Path) -> str:
    """`requiredPulumiVersion` in Pulumi.yaml, written as `">=1.2.3"`; no YAML parser is available here."""
    line = re.search(r'^requiredPulumiVersion: "?>=([\d.]+)"?$', project.read_text("utf-8"), re.MULTILINE)
    if line is None:
        raise ValueError(f'{project}: no line of the form requiredPulumiVersion: ">=1.2.3"')
    return line[1]


# versions.toml is our own file: a mistake in it may end in a traceback, but must not pass.


def _text(table: dict[str, object], key: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise TypeError(f"versions.toml: {key} must be a text, not {value!r}")
    return value


def _number(table: dict[str, object], key: str) -> int:
    value = table[key]
    if not isinstance(value, int):
        raise TypeError(f"versions.toml: {key} must be a whole number, not {value!r}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"versions.toml: expected a list of texts, not {value!r}")
    return tuple(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _tables(value: object) -> list[tuple[str, dict[str, object]]]:
    if not isinstance(value, dict):
        raise TypeError(f"versions.toml: expected tables, not {value!r}")
    return list(value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
