"""Race simulators event by event; print the rates as JSON.

A program of its own, so that another Python, with the compiled program, can run it.
"""

import json
import sys
from functools import partial
from pathlib import Path

import simpy

from sim.kernel.environment import Environment

sys.path.insert(0, str(Path(__file__).parent))
from queues import STOCK
from race import race

PROCESSES = 500
EVENTS = 60_000


def timeouts(environment):
    """Programs that wait again and again, as SimPy's own examples do."""
    env = environment()

    def process(number):
        for _ in range(EVENTS // PROCESSES):
            yield env.timeout(1.0 + number * 1e-3)

    for number in range(PROCESSES):
        env.process(process(number))
    env.run()
    return EVENTS


def wakeups():
    """The same with blocking threads."""
    env = Environment()

    def thread(number):
        for _ in range(EVENTS // PROCESSES):
            env.sleep(1.0 + number * 1e-3)

    for number in range(PROCESSES):
        env.spawn("thread", partial(thread, number))
    env.run()
    env.close()
    return EVENTS


def chains(environment, call_in):
    """The same with functions that are called back; `call_in(env, delay, function)` plans one."""
    env = environment()

    def begin(number):
        delay_s = 1.0 + number * 1e-3
        left = EVENTS // PROCESSES

        def fire(_event=None):
            nonlocal left
            left -= 1
            if left:
                call_in(env, delay_s, fire)

        call_in(env, delay_s, fire)

    for number in range(PROCESSES):
        begin(number)
    env.run()
    return EVENTS


def simpy_call_in(env, delay_s, function):
    """SimPy's way to have a function called."""
    env.timeout(delay_s).callbacks.append(function)


CONTENDERS = {
    STOCK: partial(timeouts, simpy.Environment),
    f"{STOCK}'s callbacks": partial(chains, simpy.Environment, simpy_call_in),
    "SimPy's processes on our Environment": partial(timeouts, Environment),
    "our blocking threads": wakeups,
    "our timers": partial(chains, Environment, Environment.call_in),
}

sys.stdout.write(json.dumps(race(CONTENDERS, int(sys.argv[1]))))
