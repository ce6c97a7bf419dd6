"""The keys of the Redis server: one database (`keyspace`), expiry and eviction of its keys."""
