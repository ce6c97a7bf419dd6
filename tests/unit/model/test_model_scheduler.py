"""Fixed delays, one-off jobs, failures and the end, on a thread that sleeps by hand."""

from collections import deque

import pytest

from model.errors import BookingNotFoundError, BrokerUnavailableError, PoolTimeoutError
from model.policy import Policy
from model.scheduler import Scheduler
from tests.support.model_world import START_S, HandClock, InlineRuntime, ModelWorld, RecordingLog


class SleepingEvent:
    """Waiting lets the clock pass; each wait may meet what the test has prepared."""

    def __init__(self, clock, until_s):
        self._clock = clock
        self._until_s = until_s
        self._set = False
        self.between = deque()
        self.waits = []
        self.on_end = lambda: None

    def wait(self, timeout=None):
        self.waits.append(timeout)
        if self._set:
            return True
        if self.between:
            self.between.popleft()()
            return self._set
        if timeout is None or self._clock.now_s + timeout > self._until_s:
            self._clock.now_s = self._until_s
            self.on_end()
        else:
            self._clock.now_s += timeout
        return self._set

    def set(self):
        self._set = True

    def clear(self):
        self._set = False

    def is_set(self):
        return self._set


class SleepingRuntime(InlineRuntime):
    def __init__(self, clock, until_s):
        super().__init__()
        self._made = lambda: SleepingEvent(clock, until_s)

    def event(self):
        return self._made()


class Desk:
    """A scheduler and what its jobs did, in seconds from the start."""

    def __init__(self, until_s=100.0):
        self.clock = HandClock(0.0)
        self.log = RecordingLog()
        self.runs = []
        runtime = SleepingRuntime(self.clock, until_s)
        self.scheduler = Scheduler(
            clock=self.clock, runtime=runtime, log=self.log, listener=self.runs.append
        )
        self.event = self.scheduler._woken
        self.event.on_end = self.scheduler.stop

    def job(self, takes_s=0.0, errors=()):
        errors = deque(errors)

        def work():
            self.clock.now_s += takes_s
            if errors and (error := errors.popleft()):
                raise error

        return work

    def started(self, name):
        return [run.started_s for run in self.runs if run.name == name]


def test_a_job_starts_at_once_and_then_an_interval_after_each_end():
    desk = Desk()
    desk.scheduler.every("sweep", 30, desk.job(takes_s=5))
    desk.scheduler.run()
    assert desk.started("sweep") == [0, 35, 70]


def test_a_long_job_makes_the_others_late_and_the_listener_sees_it():
    desk = Desk()
    desk.scheduler.every("outbox", 10, desk.job(takes_s=60))
    desk.scheduler.at(20, "cancel", desk.job(), retry_s=None)
    desk.scheduler.run()
    (cancel,) = [run for run in desk.runs if run.name == "cancel"]
    assert (cancel.planned_s, cancel.started_s, cancel.error) == (20, 60, None)


def test_jobs_run_in_the_order_in_which_they_fall_due():
    desk = Desk()
    for due in (30, 10, 20):
        desk.scheduler.at(due, f"at {due}", desk.job(), retry_s=None)
    desk.scheduler.run()
    assert [run.name for run in desk.runs] == ["at 10", "at 20", "at 30"]


def test_a_failed_run_is_logged_and_lost_until_the_next_interval():
    desk = Desk()
    desk.scheduler.every("sweep", 30, desk.job(errors=[None, PoolTimeoutError("30 s")]))
    desk.scheduler.run()
    assert desk.started("sweep") == [0, 30, 60, 90]
    assert [run.error for run in desk.runs] == [None, "PoolTimeoutError", None, None]
    assert desk.log.entries == [("TaskUtils", "PoolTimeoutError")]


def test_a_failed_run_is_tried_again_soon_if_it_may_be():
    desk = Desk()
    work = desk.job(errors=[None, PoolTimeoutError("30 s")])
    desk.scheduler.every("sweep", 30, work, retry_s=1)
    desk.scheduler.run()
    assert desk.started("sweep") == [0, 30, 31, 61, 91]


@pytest.mark.parametrize(
    ("error", "retry_s", "starts"),
    [
        (PoolTimeoutError("30 s"), 1, [10, 11]),
        (PoolTimeoutError("30 s"), None, [10]),
        (BookingNotFoundError("7"), 1, [10]),
    ],
)
def test_a_one_off_job_is_tried_again_only_if_that_may_help(error, retry_s, starts):
    desk = Desk()
    desk.scheduler.at(10, "cancel", desk.job(errors=[error]), retry_s=retry_s)
    desk.scheduler.run()
    assert desk.started("cancel") == starts


def test_a_job_handed_in_during_a_sleep_ends_the_sleep():
    desk = Desk()
    desk.scheduler.every("sweep", 80, desk.job())
    desk.event.between.append(lambda: desk.scheduler.at(5, "cancel", desk.job(), retry_s=None))
    desk.scheduler.run()
    assert desk.started("cancel") == [5]


def test_a_job_handed_in_by_a_running_job_is_not_forgotten():
    desk = Desk()

    def work():
        desk.scheduler.at(desk.clock.now_s + 3, "cancel", desk.job(), retry_s=None)

    desk.scheduler.every("sweep", 80, work)
    desk.scheduler.run()
    assert desk.started("cancel") == [3, 83]


def test_a_scheduler_without_jobs_sleeps_without_limit():
    desk = Desk()
    desk.scheduler.run()
    assert desk.event.waits == [None]


def test_stop_ends_the_loop_after_the_job_that_is_running():
    desk = Desk()
    desk.scheduler.every("sweep", 1, desk.scheduler.stop)
    desk.scheduler.every("outbox", 1, desk.job())
    desk.scheduler.run()
    assert [run.name for run in desk.runs] == ["sweep"]


def test_stopped_before_it_starts_it_ends_at_once():
    desk = Desk()
    desk.scheduler.every("sweep", 1, desk.job())
    desk.scheduler.stop()
    desk.scheduler.run()
    assert desk.runs == []


@pytest.mark.parametrize(
    ("policy", "threads"),
    [(Policy.incident(), {"scheduler"}), (Policy(), {"scheduler", "sweeper"})],
)
def test_one_thread_for_everything_or_one_more_for_the_sweep(policy, threads):
    world = ModelWorld(policy)
    world.service.start()
    assert set(world.runtime.threads) == threads


def run_service(policy, until_s, prepare):
    """Run the threads of a service one after the other on the same clock."""
    world = ModelWorld(policy)
    service = world.service
    for scheduler in {service._scheduler, service._sweeper}:
        event = SleepingEvent(world.clock, START_S + until_s)
        scheduler._woken = event
        event.on_end = scheduler.stop
    prepare(world)
    service.start()
    ends = []
    for thread in world.runtime.threads.values():
        world.clock.now_s = START_S
        thread()
        ends.append(world.clock.now_s)
    return world, ends


def sweeps(world):
    return [(run.started_s - START_S, run.error) for run in world.runs if run.name == "sweep"]


def test_the_incidents_sweep_runs_at_start_up_and_every_300_s():
    world, _ = run_service(Policy.incident(), 1000, lambda _: None)
    assert sweeps(world) == [(0, None), (300, None), (600, None), (900, None)]


def exhaust_second_sweep(world):
    sweep, runs = world.service.sweep, []

    def counted():
        runs.append(1)
        world.database.exhausted = len(runs) == 2
        try:
            sweep()
        finally:
            world.database.exhausted = False

    world.service.sweep = counted


def test_a_pool_timeout_loses_a_whole_sweep():
    policy = Policy(sweep_interval_s=300).with_defect("D15")
    world, _ = run_service(policy, 700, exhaust_second_sweep)
    assert sweeps(world) == [(0, None), (300, "PoolTimeoutError"), (600, None)]


def test_a_sweep_that_failed_is_tried_again_soon_when_repaired():
    world, _ = run_service(Policy(sweep_interval_s=300), 700, exhaust_second_sweep)
    assert sweeps(world) == [(0, None), (300, "PoolTimeoutError"), (301, None), (601, None)]


def block_broker(world):
    token = world.token(1)
    world.broker.away = True
    world.book(token)

    def send(topic, _payload):
        world.clock.now_s += 60
        raise BrokerUnavailableError(topic)

    world.broker.send = send


@pytest.mark.parametrize(("own_thread", "late"), [(False, True), (True, False)])
def test_an_absent_broker_holds_up_the_sweep_only_on_the_same_thread(own_thread, late):
    policy = Policy(sweep_interval_s=50, sweep_on_own_thread=own_thread, booking_expiry_s=9999)
    world, _ = run_service(policy, 400, block_broker)
    planned = [run for run in world.runs if run.name == "sweep"]
    assert any(run.started_s - run.planned_s > 1 for run in planned) is late
