"""Bytes drawn in advance are as fresh as bytes drawn one by one."""

from gatewayd.io.entropy import DRAWN_AT_ONCE, Entropy


def test_every_piece_is_of_the_length_asked_for_and_none_comes_twice() -> None:
    entropy = Entropy()
    pieces = [entropy.take(16) for _ in range(3 * DRAWN_AT_ONCE // 16)]
    assert {16} == {len(piece) for piece in pieces}
    assert len(pieces) == len(set(pieces))


def test_a_piece_longer_than_a_draw_is_one_piece() -> None:
    assert 2 * DRAWN_AT_ONCE == len(Entropy().take(2 * DRAWN_AT_ONCE))
