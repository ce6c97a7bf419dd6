"""asyncio on simulated time, and the ASGI applications that run on it.

Start with `loop` (the event loop) and `worker` (a process of a uvicorn-like server).
"""
