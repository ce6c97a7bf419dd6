"""The worlds that are timed."""

from dataclasses import replace

from experiments.config.reading import load
from model.policy import Policy
from sim.customers.human_settings import Human
from sim.customers.settings import Customer
from sim.customers.shop import BOOKING, CHECK, CONCERT, DATES, GENERATION, PAYMENT, SEATS
from sim.load.settings import PerVUIterations, RampingVUs, Stage
from sim.service.initial_data import CONCERT_DATE
from sim.world import Catalogue, Generator, Host, Pool, Service, World

PATH = f"/v1/concerts/{CONCERT}"
SELF = "tests.benchmarks.worlds"
_APART_S = 1.0


def busy_poll(duration_s):
    """The incident's busiest phase: 290 of 300 users poll with what cannot be checked."""
    stages = (
        "load.stages=[{duration_s=1.0,target=300},"
        f"{{duration_s={duration_s},target=300}},{{duration_s=0.1,target=0}}]"
    )
    return load(
        "incident-as-planned", ["catalogue.capacity=10", "catalogue.users=300", stages]
    ).world


def one_by_one(users, capacity, script):
    """Users who come one after the other, each of them alone with the service."""
    return World(
        customer=Customer(script=f"{SELF}:{script}"),
        load=PerVUIterations("per-vu-iterations", vus=users, max_duration_s=users * _APART_S + 60),
        catalogue=Catalogue(users=users + 2, capacity=capacity, seats=users + 2),
        service=Service(warm=True, started_before_s=0.5),
    )


def crowd(users):
    """A healthy service as large as its `users`, who come evenly and wait for their turn."""
    size = users / 1_000
    return World(
        policy=Policy(),
        customer=Customer(poll_interval_s=4.0),
        load=RampingVUs(
            stages=(Stage(8.0, users), Stage(2.0, users)),
            graceful_ramp_down_s=0.0,
            graceful_stop_s=0.0,
        ),
        catalogue=Catalogue(users=users + 2, capacity=1, seats=100),
        service=replace(
            Service(warm=True, started_before_s=0.5),
            threads=round(200 * size),
            accept_count=users,
            max_connections=users + 100,
        ),
        pool=Pool(connections=round(10 * size)),
        host=Host(cores=4.0 * size, memory_mb=16_384.0 * size),
        generator=Generator(
            host=Host(cores=16.0 * size, memory_mb=262_144.0 * size), local_ports=users + 1_000
        ),
    )


def waiting_people(users):
    """The same crowd as people who do nothing but wait: each has one tab, and asks and asks."""
    patient = Human(patience_mean_s=1e5, reload_mean_s=1e5, extra_tabs_mean=0.0, bots_share=0.0)
    customer = Customer(script="sim.customers.human:human", poll_interval_s=4.0, human=patient)
    return replace(crowd(users), customer=customer)


def buys(user):
    """Everything that someone who is let in does."""
    user.sleep(user.id * _APART_S)
    bearer = _token(user)
    for _ in range(3):
        user.get(DATES, f"{PATH}/available-dates", bearer)
        user.get(SEATS, f"{PATH}/available-seats", bearer, {"date": CONCERT_DATE})
    body = {"date": CONCERT_DATE, "seatId": user.id}
    booked = user.post(BOOKING, f"{PATH}/booking", bearer, body)
    assert booked.ok, booked
    paid = user.post(PAYMENT, f"/v1/bookings/{booked.body['bookingId']}/payment", bearer, {})
    assert paid.ok, paid
    user.finish(spin=False)


def waits(user):
    """Asks for the place in the queue."""
    user.sleep(user.id * _APART_S)
    token = user.post(
        GENERATION, "/v1/token/generation", {}, {"userId": user.id, "concertId": CONCERT}
    ).body
    if token["type"] == "WAIT":
        for _ in range(5):
            assert user.get(CHECK, "/v1/token/check", {"WaitingToken": token["jwt"]}).ok
    user.finish(spin=False)


def _token(user):
    answer = user.post(
        GENERATION, "/v1/token/generation", {}, {"userId": user.id, "concertId": CONCERT}
    )
    assert answer.ok, answer
    return {"Authorization": f"Bearer {answer.body['jwt']}"}
