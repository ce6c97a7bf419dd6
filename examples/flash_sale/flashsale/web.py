"""A flash sale, after a design that is public: stock is derived, a Redis lock guards each product.

Live stock = total - confirmed orders - holds that have not expired. Buying makes a hold under the
product's lock; confirming turns a hold into an order. It knows nothing of ticketsim.
"""

import os
from datetime import UTC, datetime, timedelta

import redis
from flask import Flask, jsonify, request
from redis.exceptions import LockError
from sqlalchemy import and_, create_engine, func, or_, select
from sqlalchemy.orm import Session

from flashsale.models import Base, Order, Product

HOLD_S = float(os.environ.get("SALE_HOLD_S", "120"))
CONFIRMS_UNDER_LOCK = os.environ.get("SALE_CONFIRMS_UNDER_LOCK") == "1"

app = Flask(__name__)
engine = create_engine(
    os.environ.get("DATABASE_URL", "postgresql+psycopg2://sale:secret@db/sale"),
    pool_size=10,
    pool_timeout=5,
)
cache = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://cache:6379/0"))
Base.metadata.create_all(engine)


def now():
    return datetime.now(UTC).replace(tzinfo=None)


def lock_of(product_id):
    return cache.lock(f"lock:product:{product_id}", timeout=5, blocking_timeout=2)


def taken(session, product_id):
    holds = and_(Order.status == "pending", Order.held_until > now())
    return session.scalar(
        select(func.count())
        .select_from(Order)
        .where(Order.product_id == product_id, or_(Order.status == "confirmed", holds))
    )


@app.errorhandler(LockError)
def busy(_error):
    return jsonify(message="too busy"), 503


@app.get("/products")
def products():
    with Session(engine) as session:
        found = session.scalars(select(Product).order_by(Product.id)).all()
        listed = [
            {"id": p.id, "name": p.name, "stock": p.total - taken(session, p.id)} for p in found
        ]
    return jsonify(products=listed)


@app.post("/products/<int:product_id>/hold")
def hold(product_id):
    email = request.get_json()["email"]
    with lock_of(product_id), Session(engine) as session:
        product = session.get(Product, product_id)
        if product is None:
            return jsonify(message="no such product"), 404
        if taken(session, product_id) >= product.total:
            return jsonify(message="sold out"), 409
        order = Order(
            product_id=product_id, email=email, held_until=now() + timedelta(seconds=HOLD_S)
        )
        session.add(order)
        session.commit()
        return jsonify(order=order.id, seconds=HOLD_S), 201


@app.post("/orders/<int:order_id>/confirm")
def confirm(order_id):
    with Session(engine) as session:
        order = session.get(Order, order_id)
        if order is None:
            return jsonify(message="no such order"), 404
        if not CONFIRMS_UNDER_LOCK:
            return confirmed(session, order)
        with lock_of(order.product_id):
            return confirmed(session, order)


def confirmed(session, order):
    if order.status != "pending" or order.held_until <= now():
        return jsonify(message="the hold has expired"), 410
    order.status = "confirmed"
    session.commit()
    return jsonify(order=order.id, status="confirmed")
