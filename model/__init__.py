"""The service: token issuer, waiting queue, booking and payment, as it could be deployed.

It reads no wall time and no global randomness; both come in through constructors.
Start reading at `model.service`.
"""
