"""The console's own server: `python -m monitoring.console.server`."""

import os
from pathlib import Path
from typing import Any

from records import telemetry

telemetry.switch_off()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "monitoring.console.settings")

# Django is set up by the first of these, so the settings come before
from django.core.asgi import get_asgi_application  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.routing import Mount  # noqa: E402
from starlette.staticfiles import StaticFiles  # noqa: E402

STATIC = Path(__file__).parent / "static"

# django-stubs and Starlette spell the types of an ASGI application differently
django_application: Any = get_asgi_application()
application = Starlette(
    routes=[Mount("/static", StaticFiles(directory=STATIC)), Mount("/", django_application)]
)


def main() -> None:
    """Serve the console; refuse to start without its secret or on an unmigrated database."""
    import uvicorn
    from django.conf import settings

    from models.errors import SettingsError
    from monitoring.console.settings import AUSCULT, BASE_URL
    from records.migration import check_migrated

    if not settings.configured or not AUSCULT.console_secret.is_file():
        raise SettingsError(f"{AUSCULT.console_secret}: no secret there; run `auscult init` first")
    check_migrated()
    print(f"The console is at {BASE_URL}", flush=True)
    uvicorn.run(
        application,
        host=AUSCULT.host,
        port=AUSCULT.console_port,
        log_level=AUSCULT.log_level,
        server_header=False,
        # these would name pages, and with them predictions, in a log
        access_log=False,
    )


if __name__ == "__main__":
    main()
