"""Execution segments: what k6 1.8's own NewExecutionTuple and ScaleInt64 said of the same."""

import pytest

from experiments.interop.k6_segment import share_of


@pytest.mark.parametrize(
    ("segment", "scaled"),
    [
        ("0:1/4", [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]),
        ("1/3:1", [0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9]),
        ("1/5:7/10", [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7]),
    ],
)
def test_users_are_dealt_out_as_by_k6(segment, scaled):
    share = share_of(segment, None)
    assert [share.of(count) for count in range(14)] == scaled


def test_all_segments_of_a_sequence_have_the_whole_load():
    sequence = "0,1/4,1/2,1"
    shares = [share_of(segment, sequence) for segment in ("0:1/4", "1/4:1/2", "1/2:1")]
    for count in range(50):
        assert sum(share.of(count) for share in shares) == count


@pytest.mark.parametrize(
    ("segment", "sequence"),
    [("1/2:1/4", None), ("0:2", None), ("a:b", None), ("0:1/3", "0,1/2,1"), ("0:1/2", "1/2,0")],
)
def test_what_is_no_segment_of_the_sequence_is_refused(segment, sequence):
    assert share_of(segment, sequence) is None
