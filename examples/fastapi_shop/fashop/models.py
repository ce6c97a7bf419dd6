"""The shop's tables: SQLAlchemy ORM."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Seat(Base):
    __tablename__ = "seats"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    price: Mapped[int]
    taken: Mapped[bool] = mapped_column(default=False, index=True)
    bookings: Mapped[list[Booking]] = relationship(back_populates="seat")


class Booking(Base):
    __tablename__ = "bookings"
    id: Mapped[int] = mapped_column(primary_key=True)
    seat_id: Mapped[int] = mapped_column(ForeignKey("seats.id"), index=True)
    user_id: Mapped[int] = mapped_column(index=True)
    reference: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(default=datetime.now)
    paid: Mapped[bool] = mapped_column(default=False)
    seat: Mapped[Seat] = relationship(back_populates="bookings")


class Token(Base):
    __tablename__ = "tokens"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(index=True)
    jti: Mapped[str] = mapped_column(String(36), unique=True)
    issued_at: Mapped[datetime] = mapped_column(server_default=func.now())
