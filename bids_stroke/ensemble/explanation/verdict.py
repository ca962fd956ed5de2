"""What an audit found of the maps of a network, and what to say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_ALIKE = 0.5
"""Mean rank correlation with maps of untrained networks; above it more than a quarter of the variance of the ranks is
there without anything learned."""
MOST_OUTSIDE = 0.5
"""Share of the evidence outside the brain: above it a place in the map is more likely none of the brain than one. A
map of one value everywhere has 0.75, so that a network whose last feature map is coarse fails by this alone."""
LEAST_FAITHFUL = 0.75
"""Share of places elsewhere that must matter less to the network than where it looked: of 8 people a coin says so of
three quarters or more once in 7 times."""


@dataclass(frozen=True)
class Audit:
    """What is known of the maps of a member.

    Attributes
    ----------
    auc, auc_low : float or None
        Of what the member said out of fold, and the lower end of its one-sided 95 % interval; None where not known.
    alike : float or None
        Mean rank correlation of its maps with those of untrained networks; None where all maps are empty.
    outside : float or None
        Mean share of the evidence outside the brain; None of windows, and where all maps are empty.
    faithful : float or None
        Of pairs of a place that the map shows and one of the same shape elsewhere, the share in which the network's
        logit falls more where the shown one is hidden; None as for ``outside``.
    empty : float
        Share of the people in whose image the network found nothing that speaks for a poor outcome.
    people : int
        Looked at.
    shuffled : float or None
        As ``alike``, with maps of a network that was trained on shuffled outcomes; None where there was none, as in
        models from before there was such a comparison.
    """

    auc: float | None
    auc_low: float | None
    alike: float | None
    outside: float | None
    faithful: float | None
    empty: float
    people: int
    shuffled: float | None = None

    @property
    def faults(self) -> tuple[str, ...]:
        """Why its maps should not be believed, in sentences; empty where nothing was found against them."""
        found = []
        if self.auc is not None and self.auc_low is not None and self.auc_low <= 0.5:
            found.append(
                f"In cross-validation the network told the outcomes apart no better than chance (AUC {self.auc:.2f}): "
                "there is nothing for its map to explain."
            )
        if self.alike is None:
            found.append("It gave no map for the people of the training who were looked at.")
        elif self.alike > MOST_ALIKE:
            found.append(
                f"Networks that have learned nothing give much the same map (rank correlation {self.alike:.2f})."
            )
        if self.shuffled is not None and self.shuffled > MOST_ALIKE:
            found.append(
                "The same network, trained on outcomes that were shuffled among the people, gives much the same map "
                f"(rank correlation {self.shuffled:.2f})."
            )
        if self.outside is not None and self.outside > MOST_OUTSIDE:
            found.append(
                f"In the training people {self.outside:.0%} of what it shows lay outside the brain: its map is too "
                "coarse, or misplaced, to tell a place."
            )
        if self.faithful is not None and self.faithful < LEAST_FAITHFUL:
            found.append(
                f"Hiding the places that it shows lowers the network's prediction more than hiding others in only "
                f"{self.faithful:.0%} of trials (chance: 50%): its map does not tell what the prediction rests on."
            )
        return tuple(found)

    @property
    def passed(self) -> bool:
        """Whether nothing was found against its maps, which does not make them right."""
        return not self.faults


def audits_of(content: Mapping[str, Mapping[str, Any]]) -> dict[str, Audit]:
    """Audits by member, from a bundle's metadata."""
    return {name: Audit(**known) for name, known in content.items()}
