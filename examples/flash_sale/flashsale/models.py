"""The tables, and how to reach the database and Redis."""

from __future__ import annotations

import os
from datetime import datetime

import redis
from sqlalchemy import ForeignKey, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(80))
    price: Mapped[int]


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("items.id"))
    account: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(10), default="unpaid")
    created_at: Mapped[datetime] = mapped_column(default=datetime.now)


engine = create_engine(
    os.environ.get("DATABASE_URL", "mysql+pymysql://sale:secret@db/sale"),
    pool_size=8,
    max_overflow=0,
    pool_timeout=5.0,
)
Session = sessionmaker(engine)
r = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://cache:6379/0"), decode_responses=True)
Base.metadata.create_all(engine)
