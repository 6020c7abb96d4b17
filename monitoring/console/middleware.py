"""Headers and limits that every page of the console carries."""

import time
from collections.abc import Callable

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse

from monitoring.console.settings import LONGEST_SESSION_SECONDS

Handler = Callable[[HttpRequest], HttpResponse]

CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SIGNED_IN_AT = "signed_in_at"


def end_long_sessions(answer: Handler) -> Handler:
    """End a session twelve hours after its login, however busy it was (SP 800-63B)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        since = request.session.get(SIGNED_IN_AT)
        if request.user.is_authenticated and (
            since is None or time.time() - since > LONGEST_SESSION_SECONDS
        ):
            logout(request)
        return answer(request)

    return middleware


def keep_to_ourselves(answer: Handler) -> Handler:
    """Let no page be cached, and load nothing from anywhere else."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = answer(request)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), microphone=(), geolocation=()"
        )
        return response

    return middleware
