"""Configs: TOML text becomes a checked, frozen `World`.

Start reading at `reading`; `sources` combines texts (`extends`, `--set`), `keys` knows every key,
`cross_checks` compares values of several tables, `variants` reads patches on a config.
"""
