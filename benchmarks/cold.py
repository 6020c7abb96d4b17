"""How long a service takes from the start of its process until `/readyz` says that it's ready.

    python -m benchmarks.cold --repeats 5

Ready means that the tables and compiled kernels are hot and records can be written, so a first
prediction follows at once. The kernels were compiled before, as they are in a Bento, by a first
start that isn't counted. Prints Markdown.
"""

import argparse
import http.client
import os
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.load import ask, connect
from benchmarks.made_up import install
from benchmarks.servers import Server, ours


def main() -> None:
    """Start the service as often as is wanted, and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    # not in /tmp, which may be memory
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        installed = install(Path(name) / "home")
        ready, first = [], []
        for _ in range(asked.repeats + 1):
            began = time.monotonic()
            with ours(installed, os.sched_getaffinity(0), wait=False) as server:
                wait_until_ready(server)
                ready.append(time.monotonic() - began)
                asked_at = time.monotonic()
                with connect(server.port) as connection:
                    ask(connection, server.requests[0])
                first.append(1e3 * (time.monotonic() - asked_at))
    print("| a service of one worker | median | longest |")
    print("| --- | --: | --: |")
    print(f"| from process start to ready, s | {median(ready[1:]):.1f} | {max(ready[1:]):.1f} |")
    print(f"| the first prediction then, ms | {median(first[1:]):.1f} | {max(first[1:]):.1f} |")


def wait_until_ready(server: Server) -> None:
    """Ask for readiness until it's there; raise TimeoutError after a minute."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.01)
        finally:
            connection.close()
    raise TimeoutError("the service wasn't ready within a minute")


if __name__ == "__main__":
    main()
