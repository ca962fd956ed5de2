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

HOSTILE = "\"'></td></script><hostile onclick=alert(1)><script>window.hacked = 1</script><!--{{ 7 * 7 }}&amp;"
"""What a table, a sidecar, a file's name or a library may hold, and no page may take for its own."""


class _Tags(HTMLParser):
    """Tags of a page with their attributes, and the texts between them as a reader sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said += data


def times_shown_and_never_obeyed(path: Path, scripts: int) -> int:
    """How often a page shows HOSTILE as a text; AssertionError where it has become part of the page.

    Parameters
    ----------
    path : Path
        The page.
    scripts : int
        Scripts that the page has of its own.
    """
    page = _Tags(path.read_text())
    names = [name for name, _ in page.tags]
    assert "hostile" not in names and names.count("script") == scripts
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    assert "49" not in page.said.split()
    return page.said.count(HOSTILE)


class Page(HTMLParser):
    """Visible text, addresses and alternative texts of a page; fails on tags that do not match."""

    VOID = ("meta", "img", "br", "rect", "line", "circle", "path", "input")

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
        if not {"style", "script"} & {*self.open}:
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
