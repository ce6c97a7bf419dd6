"""Programs as users write them, right and wrong ones; named in configs of tests."""

import time

import simpy

SEEN = []
"""What processes of the current test have noted."""


def autoscaler(env, world, *, most, busy=0.8, every_s=1.0):
    """Two cores more whenever the machine was busy for a while."""
    while world.cores < most:
        yield env.timeout(every_s)
        if world.utilisation() > busy:
            world.set_cores(min(most, world.cores + 2))
            world.note(f"{world.cores:g} cores from now on")


def nightly_batch(env, world, *, at_s, lock_s, work_s):
    """A job that locks a table, then works with the database's processors."""
    yield env.timeout(at_s)
    rows = yield world.lock_table("concert_schedule", lock_s)
    SEEN.append((world.now_s, rows))
    yield world.use_database(work_s, threads=4)
    SEEN.append((world.now_s, "done"))


def reads(env, world):
    yield env.timeout(5.0)
    SEEN.append(
        {
            name: getattr(world, name)
            for name in (
                *("now_s", "clock_s", "users", "requests", "failed", "waiting", "inside"),
                *("capacity", "admissions_per_min", "cores", "cores_used_s", "memory_mb"),
                *("threads_busy", "requests_queued", "instances", "pool_size", "pool_in_use"),
                *("pool_waiting", "pool_timeouts", "scale"),
            )
        }
    )
    SEEN.append(world.query("SELECT COUNT(*) FROM seat"))
    SEEN.append(world.gauge("threads_busy"))


def changes(env, world, *, pool=None, capacity=None, rate=None, at_s=2.0):
    yield env.timeout(at_s)
    if pool is not None:
        world.set_pool_size(pool)
        SEEN.append(world.pool_size)
    if capacity is not None:
        yield world.set_capacity(capacity)
        SEEN.append(world.capacity)
    if rate is not None:
        world.set_admissions_per_min(rate)
        SEEN.append(world.admissions_per_min)


def another_instance(env, world):
    world.start_instance()
    SEEN.append(world.instances)
    yield env.timeout(5.0)
    world.stop_instance()
    SEEN.append(world.instances)
    yield env.timeout(5.0)
    world.start_instance()
    SEEN.append(world.instances)


def with_resources(env, world):
    """SimPy's own resources, child processes and conditions."""
    desk, done = simpy.Resource(env, capacity=1), simpy.Store(env)

    def clerk(number):
        with desk.request() as turn:
            yield turn
            yield env.timeout(1.0)
        yield done.put(number)

    for number in range(3):
        env.process(clerk(number))
    for _ in range(3):
        number = yield done.get()
        SEEN.append(number)
    first = yield env.any_of([env.timeout(1.0, "soon"), env.timeout(9.0, "late")])
    SEEN.append((world.now_s, list(first.values()), world.random.random()))
    try:
        yield env.process(fails_inside(env, world))
    except KeyError as error:
        SEEN.append(str(error))


# Wrong ones. Lines are counted by the tests: each raises at its last line.


def fails_inside(env, _world):
    yield env.timeout(1.0)
    raise KeyError("inside")


def child_fails_unheard(env, world):
    env.process(fails_inside(env, world))
    yield env.timeout(60.0)


def no_event(env, _world):
    yield env.timeout(1.0)
    yield 5


def event_of_another_world(env, _world):
    yield env.timeout(1.0)
    yield simpy.Environment().timeout(1.0)


def never_yields(env, _world):
    yield env.timeout(1.0)
    while True:
        pass


def sleeps_really(env, _world):
    yield env.timeout(1.0)
    time.sleep(3_600.0)


def stands_still(env, _world):
    while True:
        yield env.timeout(0.0)


def out_of_range(env, world, *, call, value):
    yield env.timeout(1.0)
    getattr(world, call)(*value)


def runs_the_run(env, _world):
    yield env.timeout(1.0)
    env.run(until=5.0)


def no_generator(_env, _world):
    return 3


not_callable = 3
