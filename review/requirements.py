"""Changes of what gets installed: requirements files, line by line; only pinned versions are understood."""

import re
from collections.abc import Iterable, Iterator

from review.model import Change, Difference, Grade, Part, Way
from review.revisions import Revision

_FILE = re.compile(r"(.*/)?(requirements|constraints)[^/]*\.(txt|in)|(.*/)?(uv|poetry|pdm)\.lock")
_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)(?P<extras>\[[\w,. -]*\])?\s*==\s*(?P<version>[\w.+!-]+)"
    r"\s*(?P<marker>;[^#\n]*?)?(?P<hashes>(\s+--hash=[\w:]+)*)\s*"
)


# pip decodes a file by its byte-order mark, or by the encoding that one of its first two lines names.
# Source: pip, pip._internal.utils.encoding.auto_decode.
_ENCODED = re.compile(rb"[\xff\xfe\xef\x00]|(.*\n)?\s*#.*coding[:=]")


def is_one(path: str) -> bool:
    """Whether a path is that of a requirements or lock file."""
    return _FILE.fullmatch(path) is not None


def lines(text: str) -> list[str]:
    """A file's requirements and options as pip reads them: without comments, with continued lines joined."""
    found, begun = list[str](), ""
    for line in [*text.splitlines(), ""]:
        is_comment = re.match(r"\s*#", line)  # a comment can't be continued
        if line.endswith("\\") and not is_comment:
            begun += line.strip("\\")
            continue
        whole = re.sub(r"(^|\s+)#.*", "", f"{begun} {line}" if is_comment else begun + line)
        found.append(re.sub(r"\s+", " ", whole).strip())
        begun = ""
    return [line for line in found if line]


def told(paths: Iterable[str], before: Revision, after: Revision) -> list[Change]:
    """The changes in such files, one per package; the same change in several locks is reported once."""
    found = list[Change]()
    for path in paths:
        found += (change for change in _told(path, before, after) if change not in found)
    return found


def _told(path: str, before: Revision, after: Revision) -> Iterator[Change]:
    old, new = _lines(before.text(path)), _lines(after.text(path))
    if path in after.files and after.text(path) is None:
        yield _change(path, Way.UPDATED, f"{path} can't be read", "what is installed isn't known")
        return
    if _ENCODED.match(after.content(path) or b""):
        reason = "pip may read other lines than are shown"
        yield _change(path, Way.UPDATED, f"{path} says how it is encoded", reason)
    for name in sorted({*old, *new}):
        was, is_ = old.get(name), new.get(name)
        if was == is_:
            continue
        pins = [_PIN.fullmatch(line) if line else None for line in (was, is_)]
        way = Way.CREATED if was is None else Way.DELETED if is_ is None else Way.UPDATED
        if not all(pin or line is None for pin, line in zip(pins, (was, is_), strict=True)):
            found = (Difference(path=path, before=was, after=is_),)
            reason = "it doesn't pin one version of one package: it may install anything"
            yield _change(name, way, f"{path} asks for something else", reason, differences=found)
            continue
        versions = ["" if not pin else pin["version"] for pin in pins]
        if versions[0] == versions[1]:
            found = (Difference(path=path, before=was, after=is_),)
            reason = "an installed version has other content, or comes from elsewhere"
            yield _change(
                name, way, f"{name} {versions[0]} is requested differently", reason, differences=found
            )
            continue
        plugin = "the provider's plugin goes with it, which no rehearsal runs: read the real preview"
        yield _change(
            name,
            way,
            f"{name} goes from {versions[0]} to {versions[1]}"
            if all(versions)
            else f"{name} {''.join(versions)} is {'added' if versions[1] else 'removed'}",
            plugin if name.startswith("pulumi-") else "the program, or what judges it, runs with it",
            grade=Grade.LOOK,
        )


def pins(text: str) -> list[str]:
    """The lines that pin a version of a package, and nothing else."""
    return [line for line in lines(text) if _PIN.fullmatch(line)]


def _lines(text: str | None) -> dict[str, str]:
    """The lines by package, or by the line itself if it names none."""
    found = dict[str, str]()
    for line in lines(text or ""):
        pin = _PIN.fullmatch(line)
        name = pin["name"].lower() if pin else line
        found[name] = f"{found[name]}\n{line}" if name in found else line  # two of one package are no pin
    return found


def _change(  # noqa: PLR0913 a change's parts
    name: str,
    way: Way,
    sentence: str,
    reason: str,
    *,
    grade: Grade = Grade.DANGEROUS,
    differences: tuple[Difference, ...] = (),
) -> Change:
    return Change(
        part=Part.DEPENDENCY,
        subject=name,
        way=way,
        sentence=sentence,
        effect="",
        grade=grade,
        reason=reason,
        differences=differences,
    )
