"""The whole loop, told in steps: define, train, promote, package, serve, record, watch, look."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from types import FrameType
from typing import TYPE_CHECKING, Any

from auscult.database import now
from auscult.demo.calls import Caller, DemoFailed
from auscult.demo.visits import visits
from auscult.processes import (
    Running,
    Server,
    console_command,
    evidently_command,
    free_port,
    mlflow_command,
    serve_command,
)
from auscult.screen import Step, out, progress
from records.settings import Settings, read_settings

if TYPE_CHECKING:
    from monitoring.job import MonitorResult
    from training.run import TrainedVersion

MODEL = "mortality_5y"
THROUGH = date(2003, 12, 31)
FIRST_PERSON = {
    "age": 78,
    "sex": "female",
    "kappa": {"value": 2.9, "unit": "mg/dL"},
    "lambda": {"value": 21.0, "unit": "mg/L"},
    "creatinine": {"value": 115, "unit": "umol/L"},
}
# what the requests of docs/integrate.md need
SCOPES = ("predict", "explain", "outcome", "read", "replay", "feedback", "correct")


@dataclass(slots=True)
class Story:
    """What the demonstration has made so far, and the servers that it has to stop."""

    settings: Settings
    step: Step
    library_pages: tuple[Server, ...] = ()
    started: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict)
    servers: list[Running] = field(default_factory=list)

    def mark(self, what: str) -> None:
        """Note how many seconds after the start something stood."""
        self.seconds[what] = time.monotonic() - self.started

    def start(self, server: Server) -> Running:
        """Start a server whose log goes to the home, to be stopped at the end."""
        running = server.start(self.settings.root / "logs" / f"{server.name.lower()}.log")
        self.servers.append(running)
        return running

    def stop(self) -> None:
        """Stop every server that was started."""
        while self.servers:
            self.servers.pop().stop()


@dataclass(frozen=True, slots=True)
class Told:
    """What the summary shows."""

    trained: "TrainedVersion"
    bento: str
    answer: dict[str, Any]
    people: int
    deaths: int
    monitored: "MonitorResult"
    key: str
    password: str
    serving: str
    console: str


def run(*, stay: bool) -> None:
    """Run the demonstration; with `stay`, keep the servers up until Ctrl-C.

    Raises DemoFailed where a step didn't do what it must; every server is stopped in any case.
    """
    from auscult.demo.summary import show_addresses, show_told

    with _ended_by_signals(), ExitStack() as servers:
        with progress() as step:
            story = Story(read_settings(), step, _library_pages(read_settings()) if stay else ())
            servers.callback(story.stop)
            told = tell(story)
        show_told(told, story.seconds)
        if stay:
            for server in story.library_pages:
                story.start(server)
            show_addresses(told, {one.name: one.address for one in story.library_pages})
            _wait()


def tell(story: Story) -> Told:
    """Walk through every step, in order."""
    from auscult.installation import prepare
    from auscult.people import only_key, renewed_reviewer

    threading.Thread(target=_import_ahead, daemon=True).start()
    moment = now()
    prepare(story.settings, moment)
    key = only_key("demonstration EHR", by="demo", now=moment, scopes=SCOPES)
    password = renewed_reviewer("demo-reviewer", by="demo", now=moment)
    trained = _train_and_promote(story)
    trial = only_key("demonstration trial", by="demo", now=moment, scopes=SCOPES, is_test=True)
    bento, caller, answer = _package_and_serve(story, key, trial)
    people, deaths = _replay(story, caller)
    links = {one.name: one.address for one in story.library_pages}
    port = free_port(story.settings.console_port)
    console = console_command(story.settings, port=port, links=links)
    opening = story.start(console)
    monitored = _watch(story, trained.version)
    opening.wait_until_ready()
    _look(story, console.address, monitored, password)
    addresses = caller.address, console.address
    return Told(trained, bento, answer, people, deaths, monitored, key, password, *addresses)


def _import_ahead() -> None:
    """Import what later steps need while earlier ones wait for disk and network."""
    import mlflow.pyfunc  # noqa: F401
    import sklearn.linear_model  # noqa: F401
    import xgboost  # noqa: F401


def _train_and_promote(story: Story) -> "TrainedVersion":
    from auscult.training_job import train_model
    from training.promotion import promote

    trained = train_model(
        MODEL,
        None,
        settings=story.settings,
        step=story.step,
        quick=True,
        trials=1,
        draws=200,
        seed=20261,
        trained_by="demo-data-scientist",
    )
    story.mark("model trained")
    promote(
        MODEL,
        trained.version,
        to="champion",
        by="demo-safety-officer",
        because="Demonstration: the gates pass, each fold judged by a model that never saw it",
        override=False,
        settings=story.settings,
        now=now(),
    )
    return trained


def _package_and_serve(story: Story, key: str, trial: str) -> tuple[str, Caller, dict[str, Any]]:
    """Serve the model; a test client, which monitoring leaves out, gets the first answer."""
    from auscult.packaging import package

    story.step("Packaging a Bento", 0, 1)
    bento = str(package([MODEL], "champion", settings=story.settings).tag)
    story.step("Packaging a Bento", 1, 1)
    server = serve_command(bento, story.settings, port=free_port(story.settings.port))
    story.step("Starting the service", 0, 1)
    story.start(server).wait_until_ready()
    story.step("Starting the service", 1, 1)
    answer = Caller(server.address, trial).predict(MODEL, FIRST_PERSON)
    story.mark("first explained answer")
    return bento, Caller(server.address, key), answer


def _replay(story: Story, caller: Caller) -> tuple[int, int]:
    from models.catalogue import find_definition
    from training.cohorts import SHIPPED

    reader = SHIPPED[MODEL]
    calls = visits(reader.live(reader.fetch(story.settings, story.step)))
    ids = caller.replay(MODEL, calls, story.step)
    if len(set(ids)) != len(calls):
        raise DemoFailed(f"{len(calls)} calls gave {len(set(ids))} predictions")
    horizon = find_definition(MODEL, story.settings.models).definition.outcome.horizon_days
    deaths = caller.report(calls, ids, horizon, story.step)
    story.mark("people replayed")
    return len(calls), deaths


def _watch(story: Story, version: str) -> "MonitorResult":
    from auscult.monitoring_job import monitor_model

    monitored = monitor_model(
        MODEL,
        version,
        THROUGH,
        settings=story.settings,
        now=now(),
        step=story.step,
        replay=True,
    )
    if monitored.fault:
        raise DemoFailed(monitored.fault)
    return monitored


def _look(story: Story, address: str, monitored: "MonitorResult", password: str) -> None:
    """Log in to the console as a reviewer and find the alarm on the model's page."""
    from auscult.demo.visitor import alarms_on_page

    if not monitored.open_alarms:
        raise DemoFailed("no alarm was raised, though creatinine went missing in 2002-2003")
    shown = alarms_on_page(address, MODEL, "demo-reviewer", password)
    if not any("Creatinine" in text for text in shown):
        raise DemoFailed(f"the console shows no alarm on creatinine, only {shown}")
    story.mark("alarm in the console")


def _library_pages(settings: Settings) -> tuple[Server, ...]:
    """Return how MLflow's and Evidently's own pages are run, which the console links to."""
    return (
        mlflow_command(settings, port=free_port(5000)),
        evidently_command(settings, port=free_port(8000)),
    )


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end the demonstration as Ctrl-C does, so that no server outlives it."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)  # which an event loop, if one runs, knows how to end by

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait() -> None:
    out.print("Up until Ctrl-C.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        out.print("Stopping.")
