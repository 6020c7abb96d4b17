"""What a CDS Hooks card costs beside a bare FastAPI route, and what slow FHIR servers hold up.

    python -m benchmarks.cds --seconds 2 --repeats 3

The servers have one core to themselves and the load generator another. A ratio is taken within
each repeat. Prints Markdown.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks.load import Load, run_load
from benchmarks.made_up import DEPTH, TREES, Installation
from benchmarks.over_http import Options, measure
from benchmarks.servers import Server, fastapi_peer, ours, slow_fhir_server
from benchmarks.ward_round import (
    definition_of,
    flat_values,
    hook_requests,
    install_shipped,
    read_back_request,
)

CLIENTS = 8
NAMES = ("mortality_5y", "hospital_mortality")
LEAST_SHARE, MOST_P99_MS, MOST_LIVEZ_MS = 0.35, 30.0, 50.0
SLOW_SECONDS, SLOW_CLIENTS = 0.3, 32
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def main() -> None:
    """Start the servers, ask them, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--repeats", type=int, default=3, help="of which the medians stand")
    asked = parser.parse_args()
    options = Options(asked.seconds, asked.repeats)
    server_core, load_core = sorted(os.sched_getaffinity(0))[:2]
    print(
        f"Shipped definitions, {TREES} trees of depth {DEPTH} fitted to made-up people; "
        f"{CLIENTS} clients.\n"
    )
    # not in /tmp, which may be memory
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        for model in NAMES:
            installed = install_shipped(Path(name) / model, model)
            os.sched_setaffinity(0, {load_core})
            for line in (
                *beside_a_bare_route(installed, model, {server_core}, options),
                *while_slow_servers_are_read(installed, model, {server_core}, options),
            ):
                print(line, flush=True)
            os.sched_setaffinity(0, {server_core, load_core})


def beside_a_bare_route(
    installed: Installation, name: str, core: set[int], options: Options
) -> Iterator[str]:
    """Measure cards with complete prefetch beside a route that only scores."""
    definition = definition_of(name)
    asking = (_service(name), hook_requests(definition))
    card = "a card: validated, explained, recorded, audited"
    route = "a FastAPI route that scores the same model and nothing else"
    usual = "the same route, where XGBoost itself scores the model's trees"
    artefact, bodies = installed.artefacts / name, flat_values(definition)
    with ExitStack() as stack:
        servers = {
            card: stack.enter_context(ours(installed, core, asking=asking)),
            route: stack.enter_context(fastapi_peer(artefact, core, bodies)),
            usual: stack.enter_context(fastapi_peer(artefact, core, bodies, by_xgboost=True)),
        }
        found = measure(servers, CLIENTS, options)
    share, by_xgboost = (found[card].ratio(found[one]) for one in (route, usual))
    p99 = median(one.p99_ms for one in found[card].loads)
    keys = len(definition.features)
    size = len(asking[1][0]) / 1024
    yield f"\n| `{name}`, {keys} features, {size:.0f} kB | requests/s (p50, p99 ms) | CPU ms |"
    yield "| --- | --: | --: |"
    for title, one in found.items():
        yield f"| {title} | {one} |"
    yield (
        f"\nThe card keeps {share:.2f} of the rate (asked: {LEAST_SHARE}), and {by_xgboost:.2f} of "
        f"that where XGBoost scores; p99 {p99:.1f} ms (asked: below {MOST_P99_MS:g})."
    )


def while_slow_servers_are_read(
    installed: Installation, name: str, core: set[int], options: Options
) -> Iterator[str]:
    """Measure `/livez` while many cards wait for a FHIR server that takes its time."""
    definition = definition_of(name)
    with slow_fhir_server(core, SLOW_SECONDS) as fhir:
        address = f"http://127.0.0.1:{fhir.port}/fhir"
        asking = (_service(name), [read_back_request(definition, address)])
        more = {"AUSCULT_OUTBOUND_PRIVATE_HOSTS": f"127.0.0.1:{fhir.port}"}
        with ours(installed, core, asking=asking, more=more) as server:
            idle = run_load(server.port, [LIVEZ], 1, options.seconds)
            busy, cards = _with_slow_cards(server, options.seconds)
    yield "\n| `/livez` of the one worker | p50, ms | p99, ms |"
    yield "| --- | --: | --: |"
    yield f"| nothing else to do | {idle.p50_ms:.1f} | {idle.p99_ms:.1f} |"
    yield f"| {SLOW_CLIENTS} cards wait for FHIR | {busy.p50_ms:.1f} | {busy.p99_ms:.1f} |"
    yield (
        f"\nThe FHIR server answers after {1000 * SLOW_SECONDS:.0f} ms; {cards.rate:.0f} cards a "
        f"second were read back. Asked: `/livez` within {MOST_LIVEZ_MS:g} ms."
    )


def _with_slow_cards(server: Server, seconds: float) -> tuple[Load, Load]:
    """Return what `/livez` and the cards did that were asked for at the same time."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        cards = pool.apply_async(
            run_load, (server.port, server.requests, SLOW_CLIENTS, seconds + 2)
        )
        time.sleep(1)  # until the first are waiting
        return run_load(server.port, [LIVEZ], 1, seconds), cards.get()


def _service(name: str) -> str:
    return f"/cds-services/{name.replace('_', '-')}"


if __name__ == "__main__":
    main()
