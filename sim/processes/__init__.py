"""Programs of the user's own: SimPy generator functions that watch the world and operate it.

`settings` is the config's table, `world_view` what such a function sees and may change,
`user_processes` runs them, `environment` is the SimPy environment that they get.
Start reading at `world_view`.
"""
