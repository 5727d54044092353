"""Draws what the tools print: docs/images/*.svg, for README.md.

Each is the tool's own text, of the stack that the tests run. `make docs` draws them; the times in them are
made up, and a test holds the rest against what the tools print now.
"""

import io
import json
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]  # run as a script, it finds the packages beside docs/

from common.terminal import WIDTH, Colours  # noqa: E402
from doctor import report as doctor_report  # noqa: E402
from engine.project import Stack, load_stack  # noqa: E402
from rehearsal import report as rehearsal_report  # noqa: E402
from rehearsal.rehearse import rehearse  # noqa: E402
from review.compare import compare  # noqa: E402
from review.model import Review  # noqa: E402
from review.snapshot import read  # noqa: E402
from review.terminal import as_text  # noqa: E402
from tests.doctor.faults import FAULTS  # noqa: E402
from tests.doctor.patient import as_in_the_playground, patient  # noqa: E402

IMAGES = ROOT / "docs/images"
STACK = ROOT / "tests/project/Pulumi.dev.yaml"
TITLES = {
    "rehearsal": "make rehearse",
    "doctor": "python -m doctor",
    "review": "python -m review --base origin/main",
}
"""By picture, the command in its title bar."""
SHOWN_FAULTS = {"before": "the MQTT endpoint speaks TLS 1.2 only", "after": "the association is gone"}
"""By when the doctor is asked."""
_VARYING = re.compile(r"(?<=file://)[^\s,]+|(?<=\bsg-)\w+|(?<=\bmaestro-)[a-z0-9]{9,10}-\w+|(?<=500: Get ).*")
"""A path, a security group's id, a pod's name after its Deployment's, and why a kubelet isn't reached."""
SHOWN_CHANGE = {"instanceClass": "db.m6g.large"}


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(picture: str) -> str:
    """What the tool prints, in colour; its times are a constant."""
    text = {"rehearsal": _rehearsal, "doctor": _doctor, "review": _review}[picture](Colours(_Terminal()))
    return re.sub(r"in \d+\.\d s", "in 3.2 s", text)


def _stack() -> Stack:
    return load_stack(ROOT, file=STACK)


def _rehearsal(colour: Colours) -> str:
    done = rehearse(_stack(), world=None, progress=lambda _: None)
    return rehearsal_report.as_text(done, colour, verbose=False)


def _doctor(colour: Colours) -> str:
    """Asked in the playground before `up`, and after it, each time with something wrong."""
    return "\n".join(_examined(phase, fault, colour) for phase, fault in SHOWN_FAULTS.items())


def _examined(phase: str, name: str, colour: Colours) -> str:
    (fault,) = (each for each in FAULTS if each.name == name)
    with tempfile.TemporaryDirectory() as folder, patient(Path(folder), **fault.settings) as made:
        if phase == "after":
            made.build()
        as_in_the_playground(made)
        fault.plant(made)
        return with_what_lasts(made.examine(phase), colour)


def with_what_lasts(diagnosis: doctor_report.Diagnosis, colour: Colours) -> str:
    """The doctor's report without what differs from one region to the next."""
    checks = tuple(
        replace(
            check,
            findings=tuple(replace(each, text=_VARYING.sub("…", each.text)) for each in check.findings),
        )
        for check in diagnosis.checks
    )
    return doctor_report.as_text(replace(diagnosis, checks=checks), colour, verbose=False)


def _review(colour: Colours) -> str:
    stack = _stack()
    database = {**json.loads(stack.config.get("maestro-stack:database", "{}")), **SHOWN_CHANGE}
    changed = replace(stack, config={**stack.config, "maestro-stack:database": json.dumps(database)})
    before, after = (
        read(rehearsal_report.as_json(rehearse(each, world=None, progress=lambda _: None)))
        for each in (stack, changed)
    )
    review = Review(base="origin/main", head="work tree", notes=(), stacks=(compare(before, after),))
    return as_text(review, colour)


def draw(picture: str) -> str:
    """The picture, as SVG; nothing in it is loaded from elsewhere."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=WIDTH + 2, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(printed(picture).rstrip("\n")))
    svg = console.export_svg(title=TITLES[picture], unique_id=picture)
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace")
    return re.sub(r"<!-- .*? -->\n?", "", svg).rstrip() + "\n"


def main() -> None:
    """Draw them all."""
    IMAGES.mkdir(exist_ok=True)
    for picture in TITLES:
        (IMAGES / f"{picture}.svg").write_text(draw(picture), encoding="utf-8")


if __name__ == "__main__":
    main()
