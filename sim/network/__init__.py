"""Connections between the load generator and the service: dials, limits, retries, broken links.

Start reading at `connector`.
"""
