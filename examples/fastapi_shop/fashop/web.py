"""A small ticket shop: FastAPI, redis.asyncio, SQLAlchemy's asyncio extension, httpx, PyJWT.

It knows nothing of ticketsim.
"""

import asyncio
import logging
import os
import secrets
import time
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import httpx
import jwt
import redis.asyncio as redis
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from fashop.models import Base, Booking, Seat, Token

log = logging.getLogger("fashop")
KEY = os.environ.get("SHOP_KEY", "").encode() or secrets.token_bytes(32)
INSIDE = int(os.environ.get("SHOP_INSIDE", "50"))
LOCKS_SEATS = os.environ.get("SHOP_LOCKS_SEATS") == "1"
ADMITS_ATOMICALLY = os.environ.get("SHOP_ADMITS_ATOMICALLY") == "1"
BANK_URL = os.environ.get("SHOP_BANK_URL", "")

engine = create_async_engine(
    os.environ.get("DATABASE_URL", "postgresql+asyncpg://shop:secret@db/shop"),
    pool_size=10,
    max_overflow=0,
    pool_timeout=5.0,
)
Session = async_sessionmaker(engine, expire_on_commit=False)
r = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://cache:6379/0"), decode_responses=True)
admit = r.register_script(
    "if redis.call('scard', KEYS[2]) >= tonumber(ARGV[2]) then return 0 end "
    "redis.call('zrem', KEYS[1], ARGV[1]) return redis.call('sadd', KEYS[2], ARGV[1])"
)


async def count_waiting():
    while True:
        await asyncio.sleep(5.0)
        await r.set("waiting:count", await r.zcard("waiting"))


@asynccontextmanager
async def lifespan(app):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    app.state.bank = httpx.AsyncClient(base_url=BANK_URL, timeout=3.0)
    counting = asyncio.create_task(count_waiting())
    yield
    counting.cancel()
    await app.state.bank.aclose()
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


class Who(BaseModel):
    user: int


async def session():
    async with Session() as found:
        yield found


Rows = Annotated[AsyncSession, Depends(session)]


def user_of_token(authorization: Annotated[str, Header()]):
    # A plain function: FastAPI runs it in a thread.
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), KEY, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, type(error).__name__) from error
    return claims["uid"]


User = Annotated[int, Depends(user_of_token)]


@app.post("/token", status_code=201)
async def token(who: Who, rows: Rows):
    now, jti = datetime.now(UTC), str(uuid.uuid4())
    await r.zadd("waiting", {str(who.user): time.time()})
    async with rows.begin():
        rows.add(Token(user_id=who.user, jti=jti))
    claims = {"uid": who.user, "jti": jti, "iat": now, "exp": now + timedelta(minutes=10)}
    return {"token": jwt.encode(claims, KEY), "at": now.isoformat()}


@app.get("/queue")
async def queue(uid: User):
    async with r.pipeline(transaction=False) as pipe:
        rank, inside = await pipe.zrank("waiting", str(uid)).scard("inside").execute()
    if rank is None:
        return {"state": "inside" if await r.sismember("inside", str(uid)) else "gone"}
    if ADMITS_ATOMICALLY:
        if await admit(keys=["waiting", "inside"], args=[uid, INSIDE]):
            return {"state": "inside"}
    elif inside < INSIDE:
        await asyncio.gather(r.sadd("inside", str(uid)), r.zrem("waiting", str(uid)))
        return {"state": "inside"}
    return {"state": "waiting", "rank": rank}


@app.get("/seats")
async def seats(uid: User, rows: Rows):
    found = await rows.execute(
        select(Seat.id, Seat.name).where(Seat.taken.is_(False)).order_by(Seat.id).limit(20)
    )
    return {"seats": [{"id": i, "name": n} for i, n in found]}


@app.post("/seats/{seat_id}/book", status_code=201)
async def book(seat_id: int, uid: User, rows: Rows):
    statement = select(Seat).where(Seat.id == seat_id)
    if LOCKS_SEATS:
        statement = statement.with_for_update()
    seat = (await rows.scalars(statement)).one_or_none()
    if seat is None:
        raise HTTPException(404, "no such seat")
    if seat.taken:
        raise HTTPException(409, "taken")
    booking = Booking(seat_id=seat.id, user_id=uid, reference=str(uuid.uuid4()))
    rows.add(booking)
    seat.taken = True
    await rows.commit()
    return {"booking": booking.id, "reference": booking.reference}


@app.post("/bookings/{booking_id}/pay")
async def pay(booking_id: int, uid: User, rows: Rows):
    async with r.lock(f"pay:{booking_id}", timeout=5, blocking_timeout=3):
        booking = await rows.get(Booking, booking_id)
        if booking is None or booking.user_id != uid:
            raise HTTPException(403, "not yours")
        if BANK_URL:
            answer = await app.state.bank.post("/charges", json={"booking": booking_id})
            answer.raise_for_status()
        else:
            await asyncio.sleep(0.1)
        booking.paid = True
        await rows.commit()
    await r.srem("inside", str(uid))
    return {"paid": True}


@app.get("/count")
async def count(rows: Rows):
    return {"bookings": await rows.scalar(select(func.count()).select_from(Booking))}
