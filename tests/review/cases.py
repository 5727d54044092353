"""The catalogue's cases from tests/review/catalogue/cases.yaml, and how they change a checkout."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine import go_yaml
from engine.project import read_yaml, write_config
from tests.review.conftest import PullRequest, Reviewed

CATALOGUE = Path(__file__).with_name("catalogue")
DEVELOPMENT = "Pulumi.dev.yaml"

Keys = dict[str, Any]
"""Keys of a stack file; the project's own without its name."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A pull request, and the worst grade that it must get."""

    name: str
    what: str
    verdict: str
    settings: dict[str, Keys] = field(default_factory=dict[str, Keys])
    base: tuple[dict[str, str], ...] = ()
    """Edits that the base already has."""
    hotfix: tuple[dict[str, str], ...] = ()
    """Edits of the base that a region runs, and that the pull request's branch lacks."""
    edit: tuple[dict[str, str], ...] = ()
    write: dict[str, str] = field(default_factory=dict[str, str])
    link: dict[str, str] = field(default_factory=dict[str, str])
    copy: dict[str, str] = field(default_factory=dict[str, str])
    remove: tuple[str, ...] = ()
    copies: int = 0
    """Further stacks, with clusters of their own, that exist before and after."""
    acknowledged: tuple[str, ...] = ()
    """Subjects whose dangerous changes are acknowledged."""

    @property
    def is_of_settings(self) -> bool:
        """Whether it changes one stack file and nothing else."""
        others = self.edit or self.copy or self.remove or self.write or self.acknowledged
        return bool(self.settings) and not others

    @property
    def is_of_data(self) -> bool:
        """Whether it changes no code: only charts, stack files and documents."""
        files = [each["file"] for each in (*self.base, *self.hotfix, *self.edit)]
        paths = [*files, *self.write, *self.link, *self.copy, *self.remove]
        return all(
            path.startswith(("charts/", "docs/", "Pulumi.", "requirements")) and path != "Pulumi.yaml"
            for path in paths
        )

    def acknowledging(self, review: Reviewed) -> list[str]:
        """The options that acknowledge these changes."""
        if not self.acknowledged:
            return []
        found = json.loads(review("--json").stdout)
        changes = [each for stack in found["stacks"] for each in stack["changes"]]
        prints = [each["fingerprint"] for each in changes if each["subject"] in self.acknowledged]
        return [option for each in prints for option in ("--acknowledge", f"{each}: the region is given up")]

    @property
    def comment(self) -> Path:
        """The file with what a reviewer reads."""
        return CATALOGUE / f"{self.name}.md"

    def multiply(self, root: Path, development: str) -> None:
        """Make the further stacks."""
        for number in range(1, self.copies + 1):
            named = development.replace("regional-xyz", f"regional-{number:03}")
            (root / f"Pulumi.region-{number:03}.yaml").write_text(named)

    def set(self, when: str, development: str, file: Path) -> None:
        """Write a stack file as it is `before` or `after`, from the development one's text."""
        if not self.settings:
            return
        content: Any = go_yaml.load(development)
        changed = self.settings.get(when, {}).items()
        own = {key if ":" in key else f"maestro-stack:{key}": value for key, value in changed}
        write_config(file, {**content["config"], **own})

    def apply(self, request: PullRequest) -> None:
        """Make the case's changes to a checkout, except those of settings."""
        for target, source in self.copy.items():
            shutil.copyfile(request.root / source, request.root / target)
        for path, content in self.write.items():
            (request.root / path).parent.mkdir(parents=True, exist_ok=True)
            (request.root / path).write_text(content, encoding="utf-8")
        for path, target in self.link.items():
            (request.root / path).symlink_to(target)
        for edit in self.edit:
            request.replace(edit["file"], edit["old"], edit["new"])
        for removed in self.remove:
            (request.root / removed).unlink()


def load() -> list[Case]:
    """All cases. An unknown key of a case is an error."""
    content: Any = read_yaml(CATALOGUE / "cases.yaml")
    return [Case(name=name, **keys) for name, keys in content.items()]
