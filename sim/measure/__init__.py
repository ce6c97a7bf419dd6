"""Measurements on the client's and on the server's side.

`requests` has k6's metrics and the digest, `waiting_room` order, places and waiting, `series` the
state over time, `funnel` how far each user came, `invariants` what must never happen.
"""
