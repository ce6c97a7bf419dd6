"""Memory in pages of 2 MB: which ranges, how often, and that the process goes on."""

from __future__ import annotations

import sys

import pytest

from experiments.runs import huge_pages

MAPS = """\
100000-500000 rw-p 00000000 00:00 0
7f0000000000-7f0000300000 rw-p 00000000 00:00 0
7f0000400000-7f0000500000 rw-p 00000000 00:00 0
7f0001000000-7f0001400000 r--p 00000000 00:00 0
7f0002000000-7f0002400000 rw-p 00000000 08:01 77 /lib/libc.so
7f0003000000-7f0003400000 rw-p 00000000 00:00 0 [stack]
7f0004000000-7f0004400000 rw-p 00000000 00:00 0 [heap]
"""


def test_only_whole_large_pages_of_objects_are_put_together():
    assert list(huge_pages._ranges(MAPS)) == [
        (0x200000, 0x200000),
        (0x7F0000000000, 0x200000),
        (0x7F0004000000, 0x400000),
    ]


def test_pages_are_put_together_each_time_that_memory_has_grown_by_a_quarter(monkeypatch):
    sizes = iter([4e8, 6e8, 7e8, 8e8, 8.1e8, 9.9e8, 11e8])
    looked = []
    monkeypatch.setattr(huge_pages, "_LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(
        huge_pages, "resident_bytes", lambda: looked.append(next(sizes)) or looked[-1]
    )
    done = []
    monkeypatch.setattr(huge_pages, "put_together", lambda: done.append(looked[-1]))
    pages = huge_pages.HugePages()
    for _ in range(7):
        pages.look()
    assert done == [6e8, 8e8, 11e8]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked")
def test_what_is_put_together_keeps_its_content():
    objects = [(n, str(n)) for n in range(200_000)]
    if not huge_pages.put_together():
        pytest.skip("this kernel puts no pages together")
    assert objects == [(n, str(n)) for n in range(200_000)]
