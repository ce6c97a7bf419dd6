"""The page on people has the numbers that the program has."""

import re
from pathlib import Path

from experiments.config.key_table import config_rows

_PAGE = Path("docs/reference/people.md").read_text(encoding="utf-8")
_NUMBER = re.compile(r"\| `(customer\.[\w.]+)` \| ([\w.]+)")


def test_every_number_on_the_page_is_the_default():
    shown = dict(_NUMBER.findall(_PAGE))
    rows = {row["key"]: row["default"].replace(",", "") for row in config_rows()}
    assert len(shown) == 16
    for key, value in shown.items():
        default = rows[key]
        assert default == "" if value == "unset" else float(default) == float(value), (key, default)


def test_every_number_of_people_is_on_the_page():
    keys = {row["key"] for row in config_rows() if row["key"].startswith("customer.human.")}
    assert all(f"`{key}`" in _PAGE for key in keys)
