"""Pieces of a recording: where what happened at some time lies in the file, and the other way round."""

from __future__ import annotations

import numpy as np

from bids_stroke.preprocess.eegemg.timing.pieces import Joint, Piece, Timeline, shared_pieces


def test_pieces_lie_between_joints_and_without_what_is_left_out() -> None:
    line = Timeline.of(1000, 100.0, [Joint(700, 5.0), Joint(400), Joint(401, 2.0), Joint(1000), Joint(0)], [(500, 600)])
    found = [(piece.start, piece.stop, piece.begin) for piece in line.pieces]
    assert found == [(0, 400, 0.0), (400, 500, 6.0), (600, 700, 8.0), (700, 1000, 14.0)]
    assert line.pauses() == (2.0, 1.0, 5.0)
    assert Timeline.of(1000, 100.0, [], [(0, 300), (200, 350), (900, 2000)]).pieces == (Piece(350, 900, 3.5),)


def test_time_and_place_belong_to_each_other() -> None:
    line = Timeline.of(1000, 100.0, [Joint(400, 40.0)])
    place = np.arange(1000) / 100.0
    np.testing.assert_allclose(line.in_file(line.on_clock(place)), place, atol=1e-9)
    assert np.isnan(line.in_file([-0.1, 4.0, 43.9, 50.0])).all()
    assert line.in_file([-0.1, 4.0, 43.9, 50.0], fill=True).tolist() == [0.0, 4.0, 4.0, 10.0]


def test_stretches_end_at_pauses() -> None:
    line = Timeline.of(1000, 100.0, [Joint(400, 40.0)])
    assert line.stretches(3.0, 42.0) == [(3.0, 4.0), (4.0, 5.0)]
    assert line.stretches(3.0, 1.0) == [(3.0, 4.0)]
    assert line.stretches(10.0, 5.0) == []
    assert line.stretches(45.0, 0.0) == [(5.0, 5.0)]


def test_records_out_of_order_are_found_at_their_time() -> None:
    line = Timeline.of(300, 100.0, [Joint(100, 10.0), Joint(200, -11.0)])
    assert [piece.begin for piece in line.pieces] == [0.0, 11.0, 1.0]
    assert line.in_file([0.5, 1.5, 11.5]).tolist() == [0.5, 2.5, 1.5]


def test_two_recordings_share_whole_seconds_of_what_both_have() -> None:
    one = Timeline.of(2000, 100.0, [Joint(1000, 5.0)])
    other = Timeline((Piece(0, 1750, 0.25), Piece(1750, 2000, 30.0)), 100.0)
    found = [(first.start, first.stop, second.start, second.stop) for first, second in shared_pieces([one, other])]
    assert found == [(25, 925, 0, 900), (1000, 1200, 1475, 1675)]
    assert shared_pieces([one, one]) == [(piece, piece) for piece in one.pieces]
