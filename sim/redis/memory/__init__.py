"""Bytes that values, keys and connections of the Redis server occupy.

Start reading at `sizing`; `allocator` rounds sizes up as jemalloc does.
"""
