"""A service with places for some connections, for a load generator with more users than those.

    python tools/full_listener/server.py [PLACES] [PER_SECOND]
    k6 run --out csv=requests.csv tools/full_listener/load.js

Listens on loopback, port 8200, with a queue of 100; takes so many connections at once (273), and
answers so many requests a second (265) in order, each with status 500, which ends its connection.
"""

from __future__ import annotations

import asyncio
import random
import socket
import sys

PORT = 8200
BACKLOG = 100
ANSWER = b"HTTP/1.1 500 x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"


class Service:
    """Places for connections, and one who answers their requests in order."""

    def __init__(self, places: int, per_second: float) -> None:
        self.places = asyncio.Semaphore(places)
        self.per_second = per_second
        self.requests: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        self.tasks: set[asyncio.Task[None]] = set()

    def spawn(self, task: asyncio.Task[None]) -> None:
        """Keep a reference to a task until it is done."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, client: socket.socket) -> None:
        """Answer the one request of a connection."""
        loop = asyncio.get_running_loop()
        try:
            if await loop.sock_recv(client, 4096):
                turn = loop.create_future()
                self.requests.put_nowait(turn)
                await turn
                await loop.sock_sendall(client, ANSWER)
        except OSError:
            pass  # the client has left
        finally:
            client.close()
            self.places.release()

    async def answer(self) -> None:
        """Let one request after the other be answered."""
        noise = random.Random(1)
        while True:
            turn = await self.requests.get()
            await asyncio.sleep(noise.expovariate(self.per_second))
            turn.set_result(None)


async def main(places: int, per_second: float) -> None:
    """Serve until the program is stopped."""
    service = Service(places, per_second)
    service.spawn(asyncio.create_task(service.answer()))
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", PORT), backlog=BACKLOG) as listener:
        listener.setblocking(False)
        while True:
            await service.places.acquire()
            client, _ = await loop.sock_accept(listener)
            client.setblocking(False)
            service.spawn(asyncio.create_task(service.serve(client)))


if __name__ == "__main__":
    asyncio.run(main(int((sys.argv[1:] or ["273"])[0]), float((sys.argv[2:] or ["265"])[0])))
