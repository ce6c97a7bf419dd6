"""A small ticket shop: Flask, redis-py, SQLAlchemy ORM, PyJWT. It knows nothing of ticketsim."""

import logging
import os
import random
import secrets
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from time import sleep

import jwt
import redis
from flask import Flask, g, jsonify, request
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import joinedload, scoped_session, sessionmaker

from shop.models import Base, Booking, Seat, Token

app = Flask(__name__)
log = logging.getLogger("shop")
KEY = os.environ.get("SHOP_KEY", "").encode() or secrets.token_bytes(32)
INSIDE = int(os.environ.get("SHOP_INSIDE", "50"))
LOCKS_SEATS = os.environ.get("SHOP_LOCKS_SEATS") == "1"
ADMITS_ATOMICALLY = os.environ.get("SHOP_ADMITS_ATOMICALLY") == "1"

engine = create_engine(
    os.environ.get("DATABASE_URL", "mysql+pymysql://shop:secret@db/shop"),
    pool_size=5,
    max_overflow=0,
    pool_timeout=2.0,
    pool_pre_ping=False,
)
Session = scoped_session(sessionmaker(engine))
pool = redis.ConnectionPool.from_url(
    os.environ.get("REDIS_URL", "redis://cache:6379/0"), decode_responses=True
)
r = redis.Redis(connection_pool=pool)
admit = r.register_script(
    "if redis.call('scard', KEYS[2]) >= tonumber(ARGV[2]) then return 0 end "
    "redis.call('zrem', KEYS[1], ARGV[1]) return redis.call('sadd', KEYS[2], ARGV[1])"
)
statistics = {"requests": 0}
statistics_lock = threading.Lock()
Base.metadata.create_all(engine)


@app.teardown_appcontext
def close_session(_error):
    Session.remove()


@app.before_request
def count():
    g.began = time.monotonic()
    with statistics_lock:
        statistics["requests"] += 1


class Refused(Exception):
    pass


@app.errorhandler(Refused)
def refused(error):
    log.exception("refused")
    return jsonify(message=str(error)), 401


def user_of_token():
    try:
        claims = jwt.decode(
            request.headers["Authorization"].removeprefix("Bearer "), KEY, algorithms=["HS256"]
        )
    except (KeyError, jwt.InvalidTokenError) as error:
        raise Refused(type(error).__name__) from error
    return claims["uid"]


@app.post("/token")
def token():
    uid = request.get_json()["user"]
    jti = str(uuid.uuid4())
    now = datetime.now(UTC)
    r.zadd("waiting", {str(uid): time.time()})
    with Session() as session, session.begin():
        session.add(Token(user_id=uid, jti=jti))
    encoded = jwt.encode(
        {"uid": uid, "jti": jti, "iat": now, "exp": now + timedelta(minutes=10)}, KEY
    )
    return jsonify(token=encoded, at=now.isoformat()), 201


@app.get("/queue")
def queue():
    uid = user_of_token()
    with r.pipeline(transaction=False) as pipe:
        pipe.zrank("waiting", str(uid))
        pipe.scard("inside")
        rank, inside = pipe.execute()
    if rank is None:
        return jsonify(state="inside" if r.sismember("inside", str(uid)) else "gone")
    if ADMITS_ATOMICALLY:
        if admit(keys=["waiting", "inside"], args=[uid, INSIDE]):
            return jsonify(state="inside")
    elif inside < INSIDE:
        r.sadd("inside", str(uid))
        r.zrem("waiting", str(uid))
        return jsonify(state="inside")
    return jsonify(state="waiting", rank=rank)


@app.get("/seats")
def seats():
    user_of_token()
    rows = Session.execute(
        select(Seat.id, Seat.name).where(Seat.taken.is_(False)).order_by(Seat.id).limit(20)
    ).all()
    return jsonify(seats=[{"id": i, "name": n} for i, n in rows])


@app.post("/seats/<int:seat_id>/book")
def book(seat_id):
    uid = user_of_token()
    statement = select(Seat).where(Seat.id == seat_id)
    if LOCKS_SEATS:
        statement = statement.with_for_update()
    seat = Session.scalars(statement).one_or_none()
    if seat is None:
        return jsonify(message="no such seat"), 404
    if seat.taken:
        return jsonify(message="taken"), 409
    booking = Booking(seat=seat, user_id=uid, reference=str(uuid.uuid4()))
    Session.add(booking)
    seat.taken = True
    Session.commit()
    return jsonify(booking=booking.id, reference=booking.reference), 201


@app.post("/bookings/<int:booking_id>/pay")
def pay(booking_id):
    uid = user_of_token()
    with r.lock(f"pay:{booking_id}", timeout=5, blocking_timeout=3):
        booking = Session.get(Booking, booking_id, options=[joinedload(Booking.seat)])
        if booking is None or booking.user_id != uid:
            return jsonify(message="not yours"), 403
        sleep(0.05 + random.random() * 0.1)
        booking.paid = True
        Session.commit()
    r.srem("inside", str(uid))
    return jsonify(paid=True, seat=booking.seat.name)


@app.get("/count")
def counts():
    return jsonify(bookings=Session.scalar(select(func.count()).select_from(Booking)), **statistics)
