"""Shares: together the whole, each as much as any other."""

from __future__ import annotations

import pytest

from bids_stroke.training.parts.shares import share_of


@pytest.mark.parametrize(("n", "n_folds"), [(1, 5), (2, 5), (3, 5), (5, 5), (7, 10), (40, 5)])
def test_shares_are_the_whole_once_and_alike(n: int, n_folds: int) -> None:
    members = (0, 1, 3)
    shares = [share_of((k, n), members, n_folds) for k in range(1, n + 1)]
    folds = [fold for share in shares for fold in share.folds]
    assert sorted(folds) == [(member, fold) for member in members for fold in range(n_folds)]
    assert len([one for share in shares for one in share.last]) == len({one for share in shares for one in share.last})
    assert {member for share in shares for member, _ in share.last} == set(members)
    for member in (*members, None):  # as many of each member, and of all
        sizes = [sum(member in (None, own) for own, _ in share.folds) for share in shares]
        assert max(sizes) - min(sizes) <= 1
    assert shares == [share_of((k, n), members, n_folds) for k in range(1, n + 1)]


def test_more_parts_than_fits_leave_some_without_work() -> None:
    assert share_of((12, 12), (0,), 3).members == ()
    assert share_of((1, 1), (), 3).members == ()
