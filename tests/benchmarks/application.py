"""The Flask shop, simulated or bare: `python -P application.py KIND USERS`.

"bare" calls the application in one thread, as a WSGI server would: the same Flask, SQLAlchemy,
redis-py and PyJWT, with SQLite and fakeredis behind them and no simulated time. "simulated" runs
the config. Both print JSON: requests and processor seconds by endpoint, or of the whole run.
"""

import json
import resource
import sys
import time
from collections import defaultdict
from pathlib import Path

SHOP = Path(__file__).parents[2] / "examples" / "flask_shop"
WARM = 20
"""Customers whose requests are not counted: code and caches are cold."""
POLLS = 20
SEATS = 10_000


def simulated(users):
    """Processor seconds of a run with so many users, its requests by endpoint, peak memory."""
    from experiments.config.reading import load
    from sim.run import simulate

    settings = [f"load.vus={users}", 'app.env.SHOP_INSIDE="50"']
    world = load(str(SHOP / "shop.toml"), settings).world
    simulate(world, 1)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began_s = time.process_time()
    result = simulate(world, 2)
    used_s = time.process_time() - began_s
    counts = {
        f"{endpoint} {status}": count
        for endpoint, statuses in result.outcomes.items()
        for status, count in statuses.items()
    }
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"used_s": used_s, "requests": counts, "before_mb": before_mb, "peak_mb": peak_mb}


def bare(users):
    """Mean processor seconds of each endpoint and status."""
    import fakeredis
    import redis
    import sqlalchemy

    server = fakeredis.FakeServer()

    def from_url(_url, **_options):
        return redis.ConnectionPool(
            connection_class=fakeredis.FakeConnection, server=server, decode_responses=True
        )

    redis.ConnectionPool.from_url = from_url
    create_engine = sqlalchemy.create_engine
    url = "sqlite:///file:bare?mode=memory&cache=shared&uri=true"
    sqlalchemy.create_engine = lambda _url, **options: create_engine(
        url, poolclass=sqlalchemy.pool.QueuePool, **options
    )
    sys.path.insert(0, str(SHOP))
    from shop import web
    from shop.models import Seat

    from model.http import Request
    from sim.app.wsgi import Errors, call, environ_of

    web.sleep = lambda _seconds: None
    web.Session.add_all(Seat(id=n, name=f"seat {n}", price=100) for n in range(1, SEATS + 1))
    web.Session.commit()
    web.Session.remove()
    errors, costs, counting = Errors(), defaultdict(list), False

    def ask(endpoint, method, path, headers, body=None):
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers = {**headers, "Content-Type": "application/json"}
        began_s = time.thread_time()
        request = Request(method, path, headers, {}, content)
        status, answer = call(web.app, environ_of(request, errors, 1, threads=False))
        if counting:
            costs[f"{endpoint} {status}"].append(time.thread_time() - began_s)
        return json.loads(answer.content)

    for user in range(1, users + 1):
        counting = user > WARM
        token = ask("POST /token", "POST", "/token", {}, {"user": user})["token"]
        head = {"Authorization": f"Bearer {token}"}
        for _ in range(POLLS):
            ask("GET /queue", "GET", "/queue", head)
        seats = ask("GET /seats", "GET", "/seats", head)["seats"]
        path = f"/seats/{seats[0]['id']}/book"
        booked = ask("POST /seats/{id}/book", "POST", path, head)
        ask("POST /seats/{id}/book", "POST", path, head)
        path = f"/bookings/{booked['booking']}/pay"
        ask("POST /bookings/{id}/pay", "POST", path, head)
    return {name: sum(times) / len(times) for name, times in costs.items()}


if __name__ == "__main__":
    kind, users = sys.argv[1:]
    sys.stdout.write(json.dumps({"simulated": simulated, "bare": bare}[kind](int(users))) + "\n")
