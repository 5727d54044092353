"""Changes of a chart's text that change nothing it renders in any cluster that was tried."""

import re
from collections.abc import Collection, Iterator

from review.model import Change, Difference, Grade, Part, Way
from review.revisions import Revision, changed_files

_TEMPLATE = re.compile(r"charts/.*/(templates|charts)/.*", re.DOTALL)
_SCHEMA = re.compile(r"charts/[^/]+/values\.schema\.json")
_OTHER = re.compile(
    r"charts/[^/]+/(?!(templates|crds|files|charts)/|values\.yaml|Chart\.yaml|README\.md).*", re.DOTALL
)
"""Other files that Helm or a build of the chart may read, such as .helmignore and locks."""
_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)


def told(before: Revision, after: Revision, rendered: Collection[str]) -> Iterator[Change]:
    """Each template that differs in more than comments, but those `rendered`, whose objects are reported."""
    for path in changed_files(before, after):
        old, new = before.text(path), after.text(path)
        if _SCHEMA.fullmatch(path):
            reason = "the chart takes other values"
        elif _TEMPLATE.fullmatch(path) and not path.endswith("NOTES.txt"):
            is_text = all(
                text is not None or path not in each.files for text, each in ((old, before), (new, after))
            )
            if path.removeprefix("charts/") in rendered:
                continue
            if is_text and _without_comments(old) == _without_comments(new):
                continue
            reason = "it renders the same in every cluster that was tried; read what else it may ask for"
        elif _OTHER.fullmatch(path):
            reason = "Helm may read it"
        else:
            continue
        texts = (
            before.files.get(path) if old is None else old,
            after.files.get(path) if new is None else new,
        )
        way = Way.CREATED if path not in before.files else Way.UPDATED
        yield Change(
            part=Part.FILE,
            subject=path,
            way=way if path in after.files else Way.DELETED,
            sentence=f"{path} is changed",
            effect="",
            grade=Grade.LOOK,
            reason=reason,
            differences=(Difference(path="", before=texts[0], after=texts[1]),),
        )


def _without_comments(text: str | None) -> str:
    """The text without blank lines, comment lines that hold no template action, and Helm's own comments."""
    lines = _COMMENT.sub("", text or "").split("\n")
    return "\n".join(line for line in lines if not re.match(r"\s*#(?!.*\{\{)|\s*$", line))
