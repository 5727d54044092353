"""Changes of a chart's text that change nothing it renders in any cluster that was tried."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from common.json_values import to_json
from engine import go_yaml
from review.differences import differences
from review.manifests import kinds_in
from review.model import Change, Difference, Grade, Part, Way
from review.revisions import Revision, changed_files

_TEMPLATE = re.compile(r"charts/.*/(templates|charts)/.*", re.DOTALL)
_ABOUT = re.compile(r"charts/.*/Chart\.yaml", re.DOTALL)
_WORDS = {"annotations", "appVersion", "description", "home", "icon", "keywords", "maintainers", "sources",
          "version"}  # fmt: skip
"""Keys of Chart.yaml that Helm only prints, or that the rendered objects show."""
_SCHEMA = re.compile(r"charts/[^/]+/values\.schema\.json")
_READ = re.compile(r"charts/[^/]+/files/.*", re.DOTALL)
"""What templates read, which depends on the region."""
_OTHER = re.compile(
    r"charts/[^/]+/(?!(templates|crds|files|charts)/|values\.yaml|Chart\.yaml|README\.md).*", re.DOTALL
)
"""Other files that Helm or a build of the chart may read, such as .helmignore and locks."""
_ACTION = re.compile(r"\{\{(?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|[^\"`}]|\}(?!\}))*\}\}")
_PLAIN = re.compile(
    r"""(?x) \{\{-? (?: [\s|()\d] | := | "[^"\\]*" | \$\w*
    | \.(?!Capabilities|Files|Release\.(?!Name(space)?\b))[\w.]*
    | \b(?:else|end|include|indent|int|nindent|printf|quote|toString|toYaml|trim)\b )*+ -?\}\}"""
)
"""Template actions that render the same wherever the values are the same."""
_COMMENT = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)
_LOOK, _DANGEROUS = Grade.LOOK, Grade.DANGEROUS
_SAME = _LOOK, "it renders the same in every cluster that was tried; read what else it may ask for"
_MORE = _LOOK, "it asks for something else; read what else it may render"
_HIDDEN = _DANGEROUS, "it may install another object, which was rendered in no cluster that was tried"
_UNKNOWN = _DANGEROUS, "what it renders isn't known, because no stack could be compared"


def told(
    before: Revision, after: Revision, rendered: Mapping[str, int], *, is_compared: bool
) -> Iterator[Change]:
    """Each file that differs in more than comments, unless its objects show it all.

    `rendered`: by template whose objects are reported, how many more kinds they name.

    `is_compared`: whether the objects of at least one stack could be compared.
    """
    for path in changed_files(before, after):
        judged = _judged(path, before, after, rendered, is_compared=is_compared)
        if judged is None:
            continue
        grade, reason = judged
        old, new = (
            each.files.get(path) if (text := each.text(path)) is None else text for each in (before, after)
        )
        way = Way.CREATED if path not in before.files else Way.UPDATED if path in after.files else Way.DELETED
        yield Change(
            part=Part.FILE,
            subject=path,
            way=way,
            sentence=f"{path} is {'changed' if way is Way.UPDATED else way.value}",
            effect="",
            grade=grade,
            reason=reason,
            differences=(Difference(path="", before=old, after=new),),
        )


def _judged(
    path: str, before: Revision, after: Revision, rendered: Mapping[str, int], *, is_compared: bool
) -> tuple[Grade, str] | None:
    """A grade and its reason; None if it has no effect, or if the objects show it."""
    old, new = before.text(path), after.text(path)
    if _ABOUT.fullmatch(path):
        return _about_the_chart(old, new)
    if not _TEMPLATE.fullmatch(path):
        return _of_another_file(path)
    if any(text is None and path in each.files for text, each in ((old, before), (new, after))):
        return _DANGEROUS, "Helm may install its content, which nobody can read"
    old, new = map(_without_comments, (old, new))
    if old == new or (path.endswith("NOTES.txt") and _actions(old) == _actions(new)):
        return None
    return _of_template(old, new, rendered.get(path.removeprefix("charts/")), is_compared=is_compared)


def _of_another_file(path: str) -> tuple[Grade, str] | None:
    if _SCHEMA.fullmatch(path):
        return _LOOK, "the chart accepts other values"
    if _READ.fullmatch(path):
        return _DANGEROUS if path.endswith(".pem") else _LOOK, "pods may trust or read it, in any region"
    return (_LOOK, "Helm may read it") if _OTHER.fullmatch(path) else None


def _of_template(old: str, new: str, rendered: int | None, *, is_compared: bool) -> tuple[Grade, str] | None:
    """`rendered`: how many more kinds its objects name; None if none of them differs."""
    if not is_compared:
        return _UNKNOWN
    if kinds_in(new) - kinds_in(old) > (rendered or 0):
        return _HIDDEN
    if rendered is None:
        return _SAME
    return _MORE if any(not _PLAIN.fullmatch(each) for each in _actions(new) - _actions(old)) else None


def _actions(template: str) -> Counter[str]:
    """Its actions, and what looks like a part of one."""
    return Counter([*_ACTION.findall(template), *re.findall(r"\{\{.*", _ACTION.sub("", template))])


def _about_the_chart(old: str | None, new: str | None) -> tuple[Grade, str] | None:
    try:
        before, after = (to_json(go_yaml.load(text or "")) for text in (old, new))
    except Exception:  # noqa: BLE001 whatever a parser says of what somebody else wrote
        return _DANGEROUS, "it can't be read"
    told = {each.path.partition(".")[0].partition("[")[0] for each in differences(before, after)} - _WORDS
    if told <= {"kubeVersion"}:
        return (_LOOK, "Helm accepts other versions of Kubernetes") if told else None
    return _DANGEROUS, "Helm may refuse the chart, or install others with it"


def _without_comments(text: str | None) -> str:
    """The text without blank lines, comment lines that hold no template action, and Helm's own comments."""
    lines = _COMMENT.sub("", text or "").split("\n")
    return "\n".join(line for line in lines if not re.match(r"\s*#(?!.*\{\{)|\s*$", line))
