"""Which quantities a scaled world is known to tell wrong."""

from experiments.config.reading import load
from experiments.studies import scale_check

MEASURED = [
    {"scale": 1.0, "failure_rate": 0.9, "token_rows": 1000.0, "p95_ms": 500.0},
    {"scale": 0.3, "failure_rate": 0.88, "token_rows": 1100.0, "p95_ms": 650.0},
    {"scale": 0.1, "failure_rate": 0.86, "token_rows": 1190.0, "p95_ms": 480.0},
]


def found(scale):
    return list(scale_check._warnings(scale, MEASURED))


def test_only_what_does_not_agree_is_warned_of():
    (line,) = found(0.31)
    assert line == (
        "p(95) of durations is off at scale 0.31: on the incident, the one config held against "
        "full size, it agrees down to 1; at 0.3 it is 650 ms instead of 500 ms"
    )


def test_each_quantity_has_its_own_smallest_scale():
    assert [line.split(" is off")[0] for line in found(0.2)] == [
        "failure rate",
        "p(95) of durations",
    ]


def test_below_every_measured_scale_it_says_so():
    assert found(0.05)[-1] == "no scale below 0.1 was ever held against full size"


def test_full_size_needs_no_warning():
    assert scale_check.warnings(load("incident-as-planned"), 1.0) == []


def test_the_shipped_measurements_cover_full_size_and_smaller_scales():
    lines = scale_check.warnings(load("incident-as-planned"), 0.001)
    assert lines[-1] == "no scale below 0.03 was ever held against full size"


def test_a_config_that_was_never_held_against_full_size_is_told_how_to_do_it():
    (line,) = scale_check.warnings(load("smoke"), 0.2)
    assert "smoke" in line
    assert "--check-scale" in line
    assert "incident" not in line
