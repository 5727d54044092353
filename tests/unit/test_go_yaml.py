"""Stack files are read as the engine reads them; its own tier proves that the table is the engine's."""

from pathlib import Path

import pytest
import yaml

from engine import go_yaml
from engine.project import UsageError, load_stack
from tests.scalars import FORMS, REFUSED, SCALARS, file_of


def read(folder: Path, content: str) -> dict[str, str]:
    (folder / "Pulumi.yaml").write_text("name: maestro-stack\nruntime: python\n", encoding="utf-8")
    (folder / "Pulumi.dev.yaml").write_text(content, encoding="utf-8")
    return dict(load_stack(folder).config)


def test_scalars_are_what_the_engine_makes_of_them(tmp_path: Path) -> None:
    found = read(tmp_path, file_of(list(SCALARS)))
    assert list(found.values()) == list(SCALARS.values())


@pytest.mark.parametrize("line", FORMS)
def test_keys_have_the_engines_forms(line: str, tmp_path: Path) -> None:
    assert read(tmp_path, f"config:\n  {line}\n") == FORMS[line]


@pytest.mark.parametrize("lines", REFUSED)
def test_what_the_engine_refuses_is_refused(lines: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Pulumi\.dev\.yaml"):
        read(tmp_path, f"config:\n  {lines}\n")


def test_an_anchor_outside_the_configuration_is_followed(tmp_path: Path) -> None:
    content = "environment: &x []\nconfig:\n  a: &y {b: 1}\n  c: *y\n  d: *x\n"
    assert list(read(tmp_path, content).values()) == ['{"b":1}', '{"b":1}', "[]"]


@pytest.mark.parametrize("text", [*SCALARS, "a: b", "#", "é", "🙂", "a\nb", "\\"])
def test_text_that_is_written_is_read_back_unchanged(text: str) -> None:
    assert go_yaml.load(go_yaml.dump({"a": text})) == {"a": text}


def test_invalid_binary_is_an_error() -> None:
    with pytest.raises(yaml.YAMLError, match="base64"):
        go_yaml.load("!!binary a")


def test_the_first_document_counts(tmp_path: Path) -> None:
    assert read(tmp_path, "config:\n  a: 1\n---\nconfig:\n  a: 2\n") == {"maestro-stack:a": "1"}
