"""The commands of the Redis server: how a command is found, checked, run and charged.

Start reading at `connection` (one client's commands); `plans` holds what is looked up once.
"""
