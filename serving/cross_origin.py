"""Calls from pages of other origins: none, but for those that are listed exactly (CDS-21)."""

from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = b"GET, POST, OPTIONS"
HEADERS = b"Authorization, Content-Type"


class CrossOrigin:
    """Answers a browser's question beforehand, and lets listed origins read CDS Hooks' answers."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode("ascii") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a call on, with the headers that its origin may have."""
        origin = _header(scope, b"origin")
        if origin not in self._origins or not scope["path"].startswith("/cds-services"):
            await self._app(scope, receive, send)
            return
        allowed = [(b"access-control-allow-origin", origin), (b"vary", b"Origin")]
        if scope["method"] == "OPTIONS":
            allowed += [
                (b"access-control-allow-methods", METHODS),
                (b"access-control-allow-headers", HEADERS),
            ]
            await send({"type": "http.response.start", "status": 204, "headers": allowed})
            await send({"type": "http.response.body", "body": b""})
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *allowed]
            await send(message)

        await self._app(scope, receive, send_allowed)


def _header(scope: Scope, name: bytes) -> bytes:
    given = (value for key, value in scope.get("headers", ()) if key == name)
    return next(given, b"")
