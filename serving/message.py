"""What is sent back over HTTP: a status, a few headers and bytes."""

import msgspec
from starlette.types import Send

Headers = tuple[tuple[bytes, bytes], ...]

# Answers hold health data: no store may keep them and no page may frame or sniff them.
SECURITY_HEADERS: Headers = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class Answer(msgspec.Struct, frozen=True):
    """One complete HTTP answer."""

    body: bytes
    status: int = 200
    media_type: bytes = b"application/json"
    headers: Headers = ()

    async def send(self, send: Send) -> None:
        """Send the answer, with the headers that every answer carries."""
        length = str(len(self.body)).encode("ascii")
        headers = [
            (b"content-type", self.media_type),
            (b"content-length", length),
            *SECURITY_HEADERS,
            *self.headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})
