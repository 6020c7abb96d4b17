"""What is sent back over HTTP: a status, a few headers and bytes."""

import msgspec
from starlette.types import Send

Headers = tuple[tuple[bytes, bytes], ...]

# A browser that is shown an answer runs, loads and frames nothing.
NOTHING = b"default-src 'none'; frame-ancestors 'none'"
# Answers hold health data: no store may keep them and no page may sniff them.
SECURITY_HEADERS: Headers = (
    (b"cache-control", b"no-store"),
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
    policy: bytes = NOTHING

    async def send(self, send: Send) -> None:
        """Send the answer, with the headers that every answer carries."""
        length = str(len(self.body)).encode("ascii")
        headers = [
            (b"content-type", self.media_type),
            (b"content-length", length),
            (b"content-security-policy", self.policy),
            *SECURITY_HEADERS,
            *self.headers,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})
