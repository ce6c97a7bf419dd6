"""The purchase of a person of `human` who is let in: choose a seat, book it, pay for it.

Choosing and paying take different times. A booked seat must be paid for before a deadline. A
payment without an answer is tried again until the deadline. A person who misses the deadline
chooses another seat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sim.customers.shop import ask_booking, ask_dates, ask_payment, ask_seats
from sim.customers.user import CANCELLED
from sim.measure.funnel import Step

if TYPE_CHECKING:
    from sim.customers.user import Answer, User

UNAUTHORISED: Final = 401
NO_PAUSE: Final = -1.0
"""No pause; a pause of 0 still lets the page look whether it is to be loaded again."""
_CONFLICT: Final = 409
_LOWEST_REFUSED: Final = 400
_LOWEST_BROKEN: Final = 500


class Page:
    """The state of one tab, and how its person waits in it. Times since the load began."""

    __slots__ = (
        "_patience_over_s",
        "_tab",
        "bot",
        "expires_s",
        "has_access",
        "jwt",
        "next_s",
        "pause_s",
        "pay_until_s",
        "purchase",
        "reload_at_s",
    )

    def __init__(self, tab: User, leaves_s: float, *, bot: bool) -> None:
        self._tab = tab
        self._patience_over_s = leaves_s
        self.bot = bot
        # Not the whole answer: many people keep a token.
        self.jwt: str | None = None
        self.has_access = False
        """Whether the token is an access token."""
        self.expires_s = float("inf")
        """When the token expires, in seconds since 1970, as its `exp` says."""
        self.reload_at_s = float("inf")
        self.pause_s = NO_PAUSE
        """Until the page asks again."""
        self.next_s = 0.0
        """Until it asks the time after."""
        self.pay_until_s: float | None = None
        """Deadline for the payment of the booked seat; None: no seat is booked."""
        self.purchase: Purchase | None = None
        """None until the tab is let in."""

    @property
    def leaves_s(self) -> float:
        """When patience is over; a person with a booked seat stays until the payment deadline."""
        if self.pay_until_s is None:
            return self._patience_over_s
        return max(self._patience_over_s, self.pay_until_s)

    @property
    def request_patience_s(self) -> float | None:
        """How long this person waits for a page; None: to the end."""
        return None if self.bot else self._tab.options.human.slow_answer_s

    @property
    def retry_s(self) -> float:
        """Pause after an error."""
        options = self._tab.options
        return options.human.bot_interval_s if self.bot else options.retry_interval_s

    def wait(self, duration_s: float) -> None:
        """Do nothing for a while, at most until the person leaves."""
        rest_s = self.rest_s(duration_s)
        if rest_s > 0.0:
            self._tab.sleep(rest_s)

    def rest_s(self, duration_s: float) -> float:
        """How much of a pause is left before the person leaves; 0 or less: none."""
        return min(duration_s, self.leaves_s - self._tab.now_s)


@dataclass(frozen=True, slots=True)
class _Booking:
    """A seat that this person holds."""

    number: int
    pays_at_s: float
    """When the person is done with the payment form."""


class Purchase:
    """The seats that one person has chosen and booked so far."""

    __slots__ = ("_booking", "_decided", "_page", "_tab", "_unanswered")

    def __init__(self, tab: User, page: Page) -> None:
        self._tab = tab
        self._page = page
        self._decided = False
        """Another user took the chosen seat: the person soon takes the next seat."""
        self._booking: _Booking | None = None
        self._unanswered = False
        """A payment got no answer: the service may have accepted it."""

    def next_step(self, jwt: str) -> bool:
        """Continue the purchase at its present step; return whether the visit is over."""
        headers = {"Authorization": f"Bearer {jwt}"}
        if self._booking is None:
            return self._choose(headers)
        return self._pay(headers, self._booking)

    def _choose(self, headers: dict[str, str]) -> bool:
        """Look at the dates and seats, think, and book one."""
        tab = self._tab
        patience_s = self._page.request_patience_s
        dates = ask_dates(tab, headers, patience_s=patience_s)
        if not dates.ok:
            return self._recover(dates)
        if not dates.body["dates"]:
            return self._sold_out()
        query = {"date": str(dates.body["dates"][0])}
        seats = ask_seats(tab, headers, query, patience_s=patience_s)
        paged = seats.ok and seats.body.pages > 1 and tab.options.picks_random_seat
        if paged:
            query["page"] = str(tab.rng.index(seats.body.pages))
            seats = ask_seats(tab, headers, query, patience_s=patience_s)
        if not seats.ok:
            return self._recover(seats)
        if not len(seats.body):
            # The seats of a page that is gone were sold meanwhile; other pages may be left. Look
            # again.
            return self._recover(seats) if paged else self._sold_out()
        chosen = tab.rng.index(len(seats.body)) if tab.options.picks_random_seat else 0
        if not self._decided:
            self._think(self._time_to_choose_s())
        return self._book(headers, query["date"], int(seats.body.seats[chosen][0]))

    def _book(self, headers: dict[str, str], date: str, seat_id: int) -> bool:
        tab = self._tab
        booked = ask_booking(tab, headers, date, seat_id)
        if not booked.ok:
            self._decided = booked.status == _CONFLICT
            return self._recover(booked)
        if not tab.rng.bernoulli(tab.options.pay_probability):
            return True
        self._booking = _Booking(int(booked.body["bookingId"]), tab.now_s + self._time_to_pay_s())
        self._page.pay_until_s = tab.now_s + self._pay_within_s()
        self._unanswered = False
        return False

    def _pay(self, headers: dict[str, str], booking: _Booking) -> bool:
        tab, page = self._tab, self._page
        until_s = page.pay_until_s or 0.0
        self._think(min(booking.pays_at_s, until_s) - tab.now_s)
        if booking.pays_at_s > until_s or tab.now_s >= until_s:
            # Too late: the page says that the seat is free again.
            return self._lose_booking()
        answer = ask_payment(tab, headers, booking.number)
        if answer.ok:
            return True
        if answer.status != UNAUTHORISED and _LOWEST_REFUSED <= answer.status < _LOWEST_BROKEN:
            # The booking is gone: it was cancelled, unless an earlier payment was accepted.
            return self._unanswered or self._lose_booking()
        self._unanswered |= answer.status != UNAUTHORISED
        return self._recover(answer)

    def _lose_booking(self) -> bool:
        self._booking = None
        self._page.pay_until_s = None
        self._decided = True
        self._page.wait(self._page.retry_s)
        return False

    def _sold_out(self) -> bool:
        self._tab.reached(Step.SOLD_OUT)
        return True

    def _recover(self, answer: Answer) -> bool:
        """Pause after a failure; a person whom the service no longer knows loads the page again."""
        if answer.status == UNAUTHORISED:
            self._page.jwt = None
        if answer.error != CANCELLED:
            self._page.wait(self._page.retry_s)
        return False

    def _think(self, duration_s: float) -> None:
        """Choose, or fill in a form; the end of patience does not interrupt this."""
        if duration_s > 0.0:
            self._tab.sleep(duration_s)

    def _time_to_choose_s(self) -> float:
        options = self._tab.options
        if self._page.bot:
            return options.human.bot_think_s
        return self._tab.rng.uniform(options.think_low_s, options.think_high_s)

    def _time_to_pay_s(self) -> float:
        options = self._tab.options
        human = options.human
        if self._page.bot:
            return human.bot_think_s
        low_s = options.think_low_s if human.pay_low_s is None else human.pay_low_s
        high_s = options.think_high_s if human.pay_high_s is None else human.pay_high_s
        return self._tab.rng.uniform(low_s, high_s)

    def _pay_within_s(self) -> float:
        own_s = self._tab.options.human.pay_within_s
        return self._tab.booking_expiry_s if own_s is None else own_s
