"""What buyers talk to. It knows nothing of ticketsim."""

import json
import os

from flask import Flask, jsonify, request, session

from flashsale.models import Item, Session, r
from flashsale.payment import pay
from flashsale.stock import reserve

app = Flask(__name__)
app.secret_key = os.environ.get("SALE_KEY") or os.urandom(32)


@app.post("/session")
def sign_in():
    session["account"] = request.get_json()["account"]
    return jsonify(account=session["account"]), 201


@app.get("/items/<int:item_id>")
def item(item_id):
    with Session() as rows:
        found = rows.get(Item, item_id)
    if found is None:
        return jsonify(message="no such item"), 404
    left = max(0, int(r.get(f"stock:{item_id}") or 0))
    return jsonify(title=found.title, price=found.price, left=left)


@app.post("/items/<int:item_id>/orders")
def order(item_id):
    if "account" not in session:
        return jsonify(message="sign in first"), 401
    state = reserve(item_id, session["account"])
    if state != "reserved":
        return jsonify(message=state), 409
    r.rpush("to_write", json.dumps({"item": item_id, "account": session["account"]}))
    return jsonify(message="your order is being written"), 202


@app.get("/items/<int:item_id>/order")
def my_order(item_id):
    if "account" not in session:
        return jsonify(message="sign in first"), 401
    return jsonify(order=r.hget(f"orders:{item_id}", session["account"]))


@app.post("/orders/<int:order_id>/payment")
def payment(order_id):
    if "account" not in session:
        return jsonify(message="sign in first"), 401
    state = pay(order_id, session["account"])
    return jsonify(message=state), {"paid": 200, "closed": 410, "refused": 402}[state]
