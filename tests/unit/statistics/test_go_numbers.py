"""Numbers and durations are those of Go: every line here was asked of Go's own functions."""

import pytest

from experiments.statistics.go_numbers import parse_duration_s, parse_float


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *((".01", 0.01), ("5.", 5.0), ("+5", 5.0), ("-1", -1.0), ("1e3", 1e3), ("1E-2", 0.01)),
        *(("0x1p-2", 0.25), ("0X.8P1", 1.0), ("0x_1p1", 2.0), ("0x1_fp1_0", 31_744.0)),
        *(("1_000", 1_000.0), ("0_1", 1.0), ("1e1_0", 1e10), ("inf", float("inf"))),
        ("-Infinity", float("-inf")),
    ],
)
def test_what_go_reads(text, number):
    assert parse_float(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "+", "e5", " 1", "1 ", "1,5", "0x10", "0x.p1", "0x1", "1e999", "0x1p99999"),
        *("1__0", "_1", "1_", "1_.5", "1e_4", "46e_21", "99_E5", "0b1", "٣", "infinit", "+nan"),
    ],
)
def test_what_go_refuses(text):
    assert parse_float(text) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(("30s", 30.0), ("1m30s", 90.0), ("1h", 3_600.0), ("500ms", 0.5), ("1.5h", 5_400.0)),
        *((".5s", 0.5), ("5.s", 5.0), ("1m0.5s", 60.5), ("100us", 1e-4), ("7µs", 7e-6)),
        *(("1d", 86_400.0), ("1d12h", 129_600.0), ("-1d1h", -90_000.0), ("+1m", 60.0)),
        *(("0", 0.0), ("1000", 1.0), ("1e3", 1.0), (1_500, 1.5), (0.5, 0.0005), ("-5s", -5.0)),
    ],
)
def test_durations_that_k6_reads(value, seconds):
    assert parse_duration_s(value) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", ["", "s", "1 s", "1x", "1s1", "1.5d", "1d-1h", "inf", True, None, [], 1e30, "9e300h"]
)
def test_durations_that_k6_refuses(value):
    assert parse_duration_s(value) is None
