"""A service whose threads take turns on one core, and whose null dereferences share a monitor."""

from dataclasses import replace

import pytest

from sim.faults.settings import SecondInstance
from tests.support.world_small import Played, during, small


def crowded(**service):
    """Many people; those who wait ask again at once, and each check ends with a stack trace."""
    return small(
        load=during(4.0, 160),
        defect="D1b",
        customer={"poll_interval_s": 0.0, "retry_interval_s": 0.0},
        host={"cores": 1.0, "slice_s": 0.0014, "run_queue": True},
        service=service,
    )


@pytest.fixture(scope="module")
def monitored():
    return Played(crowded(null_monitor=True))


def test_a_monitor_of_null_dereferences_empties_the_pool(monitored):
    alone = Played(crowded())
    assert monitored.run.server.pool.max_wait_s < 0.5 * alone.run.server.pool.max_wait_s


def test_the_work_is_that_of_the_programs_on_the_core(monitored):
    server = monitored.run.server
    programs = (server.process, server.database_process, server.redis_process.process)
    server.host.cpu.advance()
    assert sum(program.used_s for program in programs) == pytest.approx(
        server.host.cpu.busy_core_s, rel=0.02
    )


def test_the_same_seed_is_the_same_run(monitored):
    assert Played(crowded(null_monitor=True)).result.digest == monitored.result.digest


def test_two_instances_on_a_run_queue_leave_no_request_unanswered():
    load = replace(during(6.0, 30), graceful_stop_s=1.0)
    world = small(load=load, host={"cores": 1.0, "slice_s": 0.0014, "run_queue": True})
    second = SecondInstance("second_instance", at_s=0.0, takes_requests=True)
    server = Played(replace(world, faults=(second,))).run.server
    # The database has a thread for each connection: the first ones of both are two.
    assert min(server.pool.acquired, server.second.pool.acquired) > 50
    assert server.workers.busy == 0
    assert not server.second.busy


def test_each_process_of_the_service_has_a_monitor_of_its_own():
    world = small(load=during(2.0, 10), service={"null_monitor": True})
    second = SecondInstance("second_instance", at_s=0.0, takes_requests=True)
    server = Played(replace(world, faults=(second,))).run.server
    charges = server.charges.of_another_instance(())
    assert charges.null_monitor is not None
    assert charges.null_monitor is not server.charges.null_monitor
