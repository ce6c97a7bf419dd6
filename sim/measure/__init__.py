"""What is measured, on the client's side and the server's.

`requests` has k6's metrics and the digest, `waiting_room` order, places and waiting, `series` the
state over time, `funnel` how far each user came, `invariants` what must never happen.
"""
