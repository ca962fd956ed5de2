"""The pages of the reports as a reader sees them, and a unit with quality numbers that are flagged."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from bids_stroke.core.records import StepReport

FLAGGED_STEPS = {
    "anat": StepReport(qc={"brain_volume_ml": 300.0, "brain_dice_template": 0.95}),
    "dwi": StepReport(qc={"fa_wm_median": 0.2, "md_wm_median_mm2_s": 7.5e-4, "standard_coverage_fraction": 0.5}),
}


class Page(HTMLParser):
    """Visible text, addresses and alternative texts of a page; fails on tags that do not match."""

    VOID = ("meta", "img", "br", "rect", "line", "circle")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.sources: list[str] = []
        self.links: list[str] = []
        self.feed(path.read_text())
        assert self.open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "img":
            assert values["alt"]
            self.sources.append(str(values["src"]))
        if tag == "a":
            self.links.append(str(values["href"]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)


PREFIX = "data:image/svg+xml;base64,"


def svg(address: str) -> str:
    """The text of the file in a ``data:`` address, which must be XML."""
    assert address.startswith(PREFIX)
    text = base64.b64decode(address.removeprefix(PREFIX), validate=True).decode()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    return text


def written(text: str) -> list[str]:
    """What is written in a plot: matplotlib names each text that it draws as glyphs in a comment."""
    return [found.strip() for found in re.findall(r"<!--(.*?)-->", text)]
