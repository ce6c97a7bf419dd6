"""What ticketsim needs to know beside the flash sale."""

PIECES = 5


def buyer(user):
    """Look, hold one piece, confirm in the last moment; then try again."""
    user.sleep(user.rng.uniform(0.0, 1.0))
    for _ in range(30):
        answer = user.get("/products")
        if not answer.ok:
            break
        product = answer.json()["products"][0]
        if product["stock"] > 0:
            held = user.post(
                f"/products/{product['id']}/hold", json={"email": f"{user.id}@shop.example"}
            )
            if held.ok:
                user.sleep(user.rng.uniform(0.97, 1.02) * held.json()["seconds"])
                if user.post(f"/orders/{held.json()['order']}/confirm").ok:
                    break
        user.sleep(user.rng.uniform(0.1, 0.5))
    user.finish()


def seed():
    """One product, five pieces."""
    from flashsale.models import Product
    from flashsale.web import engine
    from sqlalchemy.orm import Session

    with Session(engine) as session:
        session.add(Product(id=1, name="headphones", price=99, total=PIECES))
        session.commit()


def check(rows, keys):
    """Every number must be 0."""
    sold = rows.count("SELECT count(*) FROM orders WHERE status = 'confirmed'")
    return {"oversold": max(0, sold - PIECES)}
