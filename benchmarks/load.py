"""A lean load generator: one process, one epoll loop, requests encoded beforehand.

It costs about a tenth of what the quickest server here does, so it isn't what is measured.
"""

import gc
import select
import socket
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Load:
    """Requests a second, and how long one takes: median and 99th percentile."""

    rate: float
    p50_ms: float
    p99_ms: float


@dataclass(slots=True)
class _Client:
    """A connection, when its request left, and what has come back."""

    connection: socket.socket
    sent_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)

    def ask(self, request: bytes) -> None:
        self.received.clear()
        self.sent_at = time.perf_counter()
        self.connection.sendall(request)


def http_request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Return a POST of a JSON body as it goes over a connection that is kept."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def connect(port: int) -> socket.socket:
    """Open a connection."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def run_load(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Let so many clients each ask again as soon as they are answered.

    Raises RuntimeError for any answer but 200.
    """
    return load_over([connect(port) for _ in range(clients)], requests, seconds)


def ask(connection: socket.socket, request: bytes) -> None:
    """Ask once over a connection, and wait for the answer."""
    client = _Client(connection)
    client.ask(request)
    while not _complete(client):
        pass


def load_over(
    connections: Sequence[socket.socket], requests: Sequence[bytes], seconds: float
) -> Load:
    """Let a client on each connection ask again as soon as it's answered; close them then.

    Raises RuntimeError for any answer but 200.
    """
    waits: list[float] = []
    following = cycle(requests)
    poll = select.epoll()
    asking = {}
    gc.collect()
    gc.disable()
    try:
        for client in map(_Client, connections):
            asking[client.connection.fileno()] = client
            poll.register(client.connection, select.EPOLLIN)
            client.ask(next(following))
        began = time.perf_counter()
        now = began
        while now < began + seconds:
            for descriptor, _ in poll.poll(30):
                client = asking[descriptor]
                if _complete(client):
                    now = time.perf_counter()
                    waits.append(now - client.sent_at)
                    client.ask(next(following))
    finally:
        gc.enable()
        poll.close()
        for connection in connections:
            connection.close()
    ordered = sorted(waits)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    return Load(len(waits) / (now - began), 1e3 * statistics.median(ordered), 1e3 * p99)


def _complete(client: _Client) -> bool:
    """Receive what has come, and say whether the answer is whole."""
    part = client.connection.recv(1 << 20)
    client.received += part
    received = client.received
    end = received.find(_END)
    if end >= 0:
        head = bytes(received[:end]).lower()
        if head[9:12] != b"200":
            raise RuntimeError(f"answered {bytes(received[:2000])!r}")
        start = head.find(_LENGTH) + len(_LENGTH)
        length = int(head[start:].split(b"\r\n", 1)[0])
        return len(received) >= end + len(_END) + length
    if not part:
        raise RuntimeError("the server closed the connection")
    return False
