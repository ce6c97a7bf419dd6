"""A small made-up result, for tests of what is done with results."""

import numpy as np

from sim.result import Cleanup, RunResult

CHECK = "GET /v1/token/check"
GENERATION = "POST /v1/token/generation"
BOOKING = "POST /v1/concerts/{id}/booking"


def result(seed=1, *, ended="completed", tokens=700, digest=None):
    return RunResult(
        seed=seed,
        digest=digest or f"{seed:064x}",
        simulated_s=1800.0,
        ended=ended,
        metrics={
            "http_req_failed": {"rate": 0.725, "passes": 725, "fails": 275},
            "http_reqs": {"count": 1000, "rate": 0.5},
            "http_req_duration": {"avg": 1500.0, "max": 30_012.0, "p(95)": 30_000.0},
            "http_req_duration{expected_response:true}": {"avg": 90.0, "max": 900.0},
            f"http_req_duration{{endpoint:{CHECK}}}": {"avg": 1700.0, "p(95)": 30_000.0},
            "data_received": {"count": 1_500_000, "rate": 833.0},
            "vus": {"value": 3, "min": 0, "max": 30_000},
        },
        outcomes={
            CHECK: {"401": 600, "500": 80, "0": 20},
            GENERATION: {"200": 200, "500": 50},
            BOOKING: {"200": 25, "409": 25},
        },
        errors={
            CHECK: {"MalformedToken": 600, "NullDereference": 80, "RequestTimeout": 20},
            GENERATION: {"PoolTimeout": 50},
            BOOKING: {"SeatTaken": 25},
        },
        exceptions={
            CHECK: {"MalformedToken": 600, "NotValidToken": 600, "NullDereference": 80},
            "sweep": {"PoolTimeout": 1},
        },
        tables={"token_history": tokens, "booking": 25, "payment": 6},
        funnel={"waiting": 900, "booked": 19, "paid": 6},
        invariants={"oversold": 0, "overadmitted": 2},
        sweeps=[
            Cleanup(0.0, 0.0, 0.1, "ok", 40, 660, 0, 0),
            Cleanup(300.1, 330.0, 360.0, "PoolTimeout", 0, 0, 0, 0),
        ],
        notes=["nothing was evicted: no maxmemory is set"],
        series={"t_s": np.array([10.0, 20.0]), "requests": np.array([1.0, 2.0])},
    )
