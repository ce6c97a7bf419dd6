"""The service: token issuer, waiting queue, booking and payment, ready to be deployed.

Ordinary blocking Python on PyJWT, redis-py commands and SQLAlchemy Core. The service reads no wall
time and no global randomness, and starts no thread by itself. Constructors get the clock, Redis,
the database, the broker, threads and the log (`model.ports`). The same code therefore serves real
HTTP requests and runs on simulated time.

Start reading at `model.service` (the endpoints, in the order in which a request meets them) and
`model.policy` (which of the incident's defects are on).
"""
