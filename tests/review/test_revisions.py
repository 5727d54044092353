"""What a stack is built from: its own file, and each file of the project that this leads to."""

from pathlib import Path

import pytest

from review.revisions import Revision

STACK = "Pulumi.dev.yaml"


def digest(root: Path) -> str:
    return Revision(name="head", root=root, files={STACK: "as before"}).stack_digest("dev")


@pytest.mark.parametrize("path", ["docs/ca.pem", "./docs/ca.pem", "docs//../docs/ca.pem", "link.pem"])
def test_a_stack_differs_if_a_file_that_it_names_does_by_whatever_path(tmp_path: Path, path: str) -> None:
    (tmp_path / "docs").mkdir()
    authority = tmp_path / "docs" / "ca.pem"
    authority.write_text("one")
    (tmp_path / "link.pem").symlink_to(authority)
    (tmp_path / STACK).write_text(f"config: {{database: {{caBundleFile: {path}}}}}")
    before = digest(tmp_path)
    authority.write_text("another")
    assert digest(tmp_path) != before


@pytest.mark.parametrize("path", ["/etc/passwd", "../outside", "circle", '"\\0"', "docs"])
def test_a_text_that_leads_to_no_file_of_the_project_is_a_text(tmp_path: Path, path: str) -> None:
    root = tmp_path / "project"
    (root / "docs").mkdir(parents=True)
    (root / "circle").symlink_to("circle")
    (tmp_path / "outside").write_text("one")
    (root / STACK).write_text(f"config: {{database: {{caBundleFile: {path}}}}}")
    before = digest(root)
    (tmp_path / "outside").write_text("another")
    assert digest(root) == before
