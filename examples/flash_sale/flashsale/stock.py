"""The stock of an item, a counter in Redis, and the accounts that have a piece of it."""

from __future__ import annotations

import os

from flashsale.models import r

RESERVES_ATOMICALLY = os.environ.get("SALE_RESERVES_ATOMICALLY") == "1"

_reserve = r.register_script(
    "if redis.call('sismember', KEYS[2], ARGV[1]) == 1 then return 'again' end "
    "if tonumber(redis.call('get', KEYS[1]) or 0) <= 0 then return 'sold out' end "
    "redis.call('decr', KEYS[1]) redis.call('sadd', KEYS[2], ARGV[1]) return 'reserved'"
)


def reserve(item_id: int, account: str) -> str:
    """Take one piece for an account: 'reserved', 'again' or 'sold out'."""
    stock, buyers = f"stock:{item_id}", f"buyers:{item_id}"
    if RESERVES_ATOMICALLY:
        return _reserve(keys=[stock, buyers], args=[account])
    if r.sismember(buyers, account):
        return "again"
    if int(r.get(stock) or 0) <= 0:
        return "sold out"
    r.decr(stock)
    r.sadd(buyers, account)
    return "reserved"


def give_back(item_id: int, account: str) -> None:
    """Return the piece of an account: others may have it now, and the account, too."""
    with r.pipeline(transaction=True) as pipe:
        pipe.srem(f"buyers:{item_id}", account)
        pipe.hdel(f"orders:{item_id}", account)
        pipe.incr(f"stock:{item_id}")
        pipe.execute()
