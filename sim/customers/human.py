"""A person at an on-sale: comes once, waits as long as patience lasts, reloads, has several tabs.

One virtual user is one person, and one iteration the whole visit. Every tab is logged in to the
same account and does what the waiting page does: asks for a token, then for the place. The person
buys in the first tab that is let in (`purchase`); the other tabs are closed. Some users are
programs (bots). docs/reference/people.md has every transition in a table.
"""

from __future__ import annotations

from math import gamma, log
from typing import TYPE_CHECKING, Final

from sim.customers.buyer import expiry_s, pause_s
from sim.customers.parking import Parking
from sim.customers.purchase import NO_PAUSE, UNAUTHORISED, Page, Purchase
from sim.customers.shop import CHECK, CONCERT, GENERATION
from sim.customers.user import CANCELLED
from sim.measure.funnel import Step

if TYPE_CHECKING:
    from collections.abc import Generator

    from sim.customers.human_settings import Human
    from sim.customers.user import Answer, User
    from sim.kernel.random_streams import Stream

    Rests = Generator[float, None, None]

_FOR_EVER: Final = float("inf")
_MOST_EXTRA_TABS: Final = 20
_SOONEST_RELOAD_S: Final = 1.0
"""Shortest time from an answer to the next press of the reload key, in seconds."""


def _human(user: User) -> Rests:
    if user.memory is None:
        user.memory = person = Person(user)
        user.reached(Step.ARRIVED)
        for _ in range(person.extra_tabs):
            user.open_tab(Parking(person.tab))
        # As `Person.tab`, without a generator within this one: that would double the memory.
        page = person.opens(user)
        while (pause_s := person.works_until_pause(user, page)) is not None:
            yield user.pausing(pause_s)
        user.wait_for_tabs()
        user.leave()
    user.finish(spin=False)


human: Final = Parking(_human)
"""Come, wait in every tab, buy in one of them, or leave: a customer function."""


def patience_s(settings: Human, rng: Stream) -> float:
    """Draw how long a person waits: Weibull, with the mean and shape of the settings."""
    scale_s = settings.patience_mean_s / gamma(1.0 + 1.0 / settings.patience_shape)
    return scale_s * float((-log(1.0 - rng.random())) ** (1.0 / settings.patience_shape))


def extra_tabs(settings: Human, rng: Stream) -> int:
    """Draw how many tabs a person opens besides the first: geometric, from 0."""
    another = settings.extra_tabs_mean / (1.0 + settings.extra_tabs_mean)
    tabs = 0
    while tabs < _MOST_EXTRA_TABS and rng.bernoulli(another):
        tabs += 1
    return tabs


class Person:
    """The state that all tabs of one person share."""

    __slots__ = ("_bot", "_buys_in", "_leaves_s", "_main", "_over", "extra_tabs")

    def __init__(self, user: User) -> None:
        settings = user.options.human
        # Every user draws all numbers, so that another share of bots does not change other users.
        self._bot = user.rng.bernoulli(settings.bots_share)
        waits_s = patience_s(settings, user.rng)
        tabs = extra_tabs(settings, user.rng)
        self._main = user
        self._buys_in: User | None = None
        self._over = False
        user.may_leave(bot=self._bot)
        if self._bot:
            self._leaves_s, self.extra_tabs = _FOR_EVER, 0
        else:
            self._leaves_s = max(user.now_s, user.opens_s) + waits_s
            self.extra_tabs = tabs

    def tab(self, tab: User) -> Rests:
        """Work in one tab until the visit is over or another tab is let in."""
        page = self.opens(tab)
        while (pause_s := self.works_until_pause(tab, page)) is not None:
            yield tab.pausing(pause_s)

    def opens(self, tab: User) -> Page:
        """Open the page in a tab."""
        page = Page(tab, self._leaves_s, bot=self._bot)
        page.reload_at_s = self._next_reload_s(tab)
        return page

    def works_until_pause(self, tab: User, page: Page) -> float | None:
        """Work in one tab until the next pause, which is returned; None when the work is over."""
        if page.pause_s != NO_PAUSE:
            # The pause before is over.
            self._look_again(tab, page)
        while self._buys_in in {None, tab} and not self._over:
            if tab.now_s >= page.leaves_s:
                self._give_up()
            elif page.jwt is not None and page.has_access:
                self._buys_in = tab
                if page.purchase is None:
                    page.purchase = Purchase(tab, page)
                self._over = page.purchase.next_step(page.jwt)
            else:
                page.pause_s, page.next_s = NO_PAUSE, -_FOR_EVER
                if page.jwt is None:
                    self._ask_for_token(tab, page)
                else:
                    self._poll(tab, page, page.jwt)
                if page.pause_s != NO_PAUSE:
                    rest_s = self._rest_s(tab, page)
                    if rest_s > 0.0:
                        return rest_s
                    self._look_again(tab, page)
        return None

    def _give_up(self) -> None:
        self._over = True
        self._main.reached(Step.ABANDONED)

    def _ask_for_token(self, tab: User, page: Page) -> None:
        """Load the page."""
        body = {"userId": tab.id, "concertId": CONCERT}
        patience = page.request_patience_s
        answer = tab.post(GENERATION, "/v1/token/generation", {}, body, patience_s=patience)
        if answer.ok:
            token = answer.body
            page.jwt, page.expires_s = str(token["jwt"]), expiry_s(token["jwt"])
            page.has_access = token["type"] == "ACCESS"
            if token["type"] == "WAIT":
                page.pause_s = self._interval_s(tab, answer)
        elif answer.error != CANCELLED:
            page.pause_s = page.retry_s

    def _poll(self, tab: User, page: Page, jwt: str) -> None:
        """Ask for the place, as the waiting page does; look again later."""
        headers = {"WaitingToken": jwt}
        patience = page.request_patience_s
        answer = tab.get(CHECK, "/v1/token/check", headers, patience_s=patience)
        position = answer.body["position"] if answer.ok else None
        if position == 0 or answer.error == CANCELLED or answer.status == UNAUTHORISED:
            # Let in, out of patience, or unknown to the service: load the page again.
            page.jwt = None
        if position == 0 or answer.error == CANCELLED:
            return
        page.next_s = self._interval_s(tab, answer)
        page.pause_s = page.next_s if answer.ok else page.retry_s

    def _rest_s(self, tab: User, page: Page) -> float:
        """The page's pause, at most until its next reload, or until patience is over."""
        if page.reload_at_s <= tab.now_s:
            # An answer came after that time: the page shows something new.
            page.reload_at_s = self._next_reload_s(tab)
        return page.rest_s(min(page.pause_s, page.reload_at_s - tab.now_s))

    def _look_again(self, tab: User, page: Page) -> None:
        """Load the page again after a pause, if it is time, or if its token expires before long."""
        if tab.now_s >= page.reload_at_s:
            page.reload_at_s = self._next_reload_s(tab)
            page.jwt = None
        if tab.clock_s + page.next_s >= page.expires_s:
            page.jwt = None

    def _next_reload_s(self, tab: User) -> float:
        if self._bot:
            return _FOR_EVER
        drawn_s = tab.rng.exponential(tab.options.human.reload_mean_s)
        return tab.now_s + max(_SOONEST_RELOAD_S, drawn_s)

    def _interval_s(self, tab: User, answer: Answer) -> float:
        if self._bot:
            return tab.options.human.bot_interval_s
        told_s = pause_s(tab, answer)
        return told_s if told_s > 0.0 else tab.options.poll_interval_s
