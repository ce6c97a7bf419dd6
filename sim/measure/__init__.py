"""What is measured: k6's metrics and the digest (`requests`), the state over time (`series`),
how far each user came (`funnel`), and what must never happen (`invariants`)."""
