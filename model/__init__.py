"""The service: token issuer, waiting queue, booking and payment, as it could be deployed.

Ordinary blocking Python on PyJWT, redis-py commands and SQLAlchemy Core. It reads no wall time
and no global randomness, and starts no thread by itself: clock, Redis, database, broker, threads
and the log come in through constructors (`model.ports`), so the same code serves real HTTP
requests and runs on simulated time.

Start reading at `model.service` (the endpoints, in the order in which a request meets them) and
`model.policy` (which of the incident's defects are on).
"""
