"""Put on a process's path: notes every address but loopback that it would connect to."""

import os
import sys

_LOG = os.environ.get("AUSCULT_TEST_CONNECTIONS")
_LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")  # noqa: S104 - compared, not bound to


def _watch(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
    elif event == "socket.getaddrinfo":
        host = arguments[0] or "localhost"
    else:
        return
    host = host.decode() if isinstance(host, bytes) else str(host)
    if not host.startswith(_LOOPBACK):
        with open(_LOG, "a") as log:
            log.write(f"{event} {host} by {' '.join(sys.argv[:3])}\n")


if _LOG:
    sys.addaudithook(_watch)
