"""docs/inputs.md makes promises to users: each sentence of it is quoted by the mark of a test that keeps it.

``@pytest.mark.inputs("A sentence of the page.", "Another one.")`` stands at that test.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "inputs.md"


def _sentences() -> list[str]:
    """Sentences of the items (``- ...``) of the page, each on one line; rows of tables count as one sentence each."""
    text = PAGE.read_text(encoding="utf-8").split("\n## ", 1)[1]
    items = re.findall(r"^- (.+(?:\n  .+)*)", text, re.MULTILINE)
    rows = re.findall(r"^\| (.+) \|$", text, re.MULTILINE)
    flat = [" ".join(item.split()) for item in items]
    found = [part for item in flat for part in re.split(r"(?<=[.!?]) (?=[A-Z`])", item)]
    return found + [row for i, row in enumerate(rows) if set(row) - set("-| ") and not _is_head(rows, i)]


def _is_head(rows: list[str], index: int) -> bool:
    return index + 1 < len(rows) and not set(rows[index + 1]) - set("-| ")


def _quoted() -> dict[str, str]:
    """Sentence -> the test whose mark quotes it."""
    found = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.inputs":
                    for argument in mark.args:
                        found[ast.literal_eval(argument)] = f"{path.name}::{node.name}"
    return found


def test_every_sentence_is_quoted_by_a_test() -> None:
    quoted = _quoted()
    assert [sentence for sentence in _sentences() if sentence not in quoted] == []


def test_no_test_quotes_what_the_page_does_not_say() -> None:
    said = set(_sentences())
    assert {sentence: test for sentence, test in _quoted().items() if sentence not in said} == {}
