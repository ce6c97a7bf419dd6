"""Services with the bugs that users write."""

from model.service import TicketService


class Raises(TicketService):
    """Its handler fails."""

    def handle(self, _request):
        return 1 / 0


class ReturnsDict(TicketService):
    """Its handler returns no response."""

    def handle(self, _request):
        return {"status": 200}


class ReturnsNothing(TicketService):
    """Its handler forgets to return."""

    def handle(self, request):
        super().handle(request)


class BreaksInInit(TicketService):
    """Its constructor fails."""

    def __init__(self, **ports):
        super().__init__(**ports)
        self.secret = ports["secret"]


class ForgetsInit(TicketService):
    """Its constructor does not make the service."""

    def __init__(self, **ports):
        self.ports = ports


class TakesNoPorts(TicketService):
    """Its constructor takes nothing."""

    def __init__(self):
        pass
