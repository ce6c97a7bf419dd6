"""The shipped configs give the results that are on record."""

import tomllib
from pathlib import Path

import pytest

from experiments.config.sources import shipped_names
from tools.digests import digest_of

RECORDED = tomllib.loads((Path(__file__).parents[2] / "golden" / "digests.toml").read_text("utf-8"))


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_config_has_the_digest_on_record(name):
    scale = RECORDED["own_scales"].get(name, RECORDED["scale"])
    assert digest_of(name, scale, RECORDED["seed"]) == RECORDED["digests"][name]


def test_no_digest_is_on_record_for_a_config_that_is_gone():
    assert sorted(RECORDED["digests"]) == shipped_names()
