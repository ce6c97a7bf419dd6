"""A service whose threads take turns on one core, and whose log another program reads."""

import pytest

from tests.support.world_small import Played, during, small


def crowded(**service):
    """Many people; those who wait ask again at once, and each check ends with a stack trace."""
    return small(
        load=during(4.0, 160),
        defect="D1b",
        customer={"poll_interval_s": 0.0, "retry_interval_s": 0.0},
        host={"cores": 1.0, "slice_s": 0.0014, "run_queue": True},
        service={"one_log": True, **service},
    )


@pytest.fixture(scope="module")
def read():
    return Played(crowded(log_is_read=True))


def test_a_reader_of_the_log_empties_the_pool(read):
    alone = Played(crowded())
    assert read.run.server.pool.max_wait_s < 0.5 * alone.run.server.pool.max_wait_s


def test_the_work_is_that_of_the_programs_on_the_core(read):
    server = read.run.server
    programs = (server.process, server.database_process, server.redis_process.process)
    server.host.cpu.advance()
    assert sum(program.used_s for program in programs) == pytest.approx(
        server.host.cpu.busy_core_s, rel=0.02
    )


def test_the_same_seed_is_the_same_run(read):
    assert Played(crowded(log_is_read=True)).result.digest == read.result.digest
