"""The pictures in README.md show what the tools print now."""

import html
import re

import pytest

from docs import pictures
from tests.checkouts import ROOT


@pytest.mark.parametrize("picture", pictures.TITLES)
def test_a_picture_shows_what_the_tool_prints(picture: str) -> None:
    svg = (pictures.IMAGES / f"{picture}.svg").read_text(encoding="utf-8")
    drawn = "".join(html.unescape(text) for text in re.findall(r"<text [^>]*>(.*?)</text>", svg))
    printed = re.sub(r"\x1b\[\d*m", "", pictures.printed(picture))
    assert re.sub(r"\s+", "", drawn) == re.sub(r"\s+", "", f"{pictures.TITLES[picture]}{printed}")
    assert f"docs/images/{picture}.svg" in (ROOT / "README.md").read_text(encoding="utf-8")
