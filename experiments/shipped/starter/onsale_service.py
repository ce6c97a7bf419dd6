"""The service with one changed behaviour: for the first half minute, tokens are for members only.

`model.service.TicketService` is the whole service; `handle` answers a request. This class runs on
simulated time here, and `ticketsim serve onsale.toml --redis URL` serves it over HTTP.
"""

from typing import Any

from model.clock import Clock
from model.http import Request, Response
from model.service import GENERATION, TicketService

MEMBERS_ONLY_S = 30.0
FORBIDDEN = 403


def is_member(user_id: object) -> bool:
    """Every third account is a member's: ask your own records instead."""
    return isinstance(user_id, int) and user_id % 3 == 0


class MembersFirst(TicketService):
    """Members may line up before and after the opening, others only some time after it."""

    def __init__(self, *, clock: Clock, opens_at_s: float, **ports: Any) -> None:
        super().__init__(clock=clock, opens_at_s=opens_at_s, **ports)
        self._clock = clock
        self._open_to_all_at_s = opens_at_s + MEMBERS_ONLY_S

    def handle(self, request: Request) -> Response:
        """Refuse tokens to those who come too early; everything else is as it was."""
        asks_for_token = f"{request.method} {request.path}" == GENERATION
        if asks_for_token and self._clock.now() < self._open_to_all_at_s:
            user_id = (request.body or {}).get("userId")
            if not is_member(user_id):
                return Response(FORBIDDEN, {"message": "members first"}, "MembersFirst")
        return super().handle(request)
