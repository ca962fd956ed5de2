"""The outcome that is predicted: a column of a table, and the rule that makes it poor."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import Field

from bids_stroke.core.errors import UsageError
from bids_stroke.core.frozen import Frozen


class Outcome(Frozen):
    """What counts as a poor outcome: column and rule in one, ``fma_le<=17``."""

    column: Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")]
    operator: Literal["<=", "<", ">=", ">"]
    threshold: float

    @classmethod
    def parse(cls, text: str) -> Outcome:
        """Read ``fma_le<=17``; UsageError if it is not of that form."""
        match = re.fullmatch(r"\s*([A-Za-z]\w*)\s*(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*", text)
        if match is None or not math.isfinite(float(match[3])):
            raise UsageError(f"--outcome {text!r} is not a rule.", "Write COLUMN<=NUMBER, for example 'fma_le<=17'.")
        return cls(column=match[1], operator=match[2], threshold=float(match[3]))  # type: ignore[arg-type]

    def is_poor(self, value: float) -> bool:
        """Whether a score counts as a poor outcome."""
        compare = {"<=": value <= self.threshold, "<": value < self.threshold}
        compare |= {">=": value >= self.threshold, ">": value > self.threshold}
        return compare[self.operator]

    def __str__(self) -> str:
        return f"{self.column}{self.operator}{self.threshold:.15g}"
