"""Serves the made-up model in a process of its own, which a test may kill."""

import os
import socket
import sys
from pathlib import Path

import uvicorn

from models.risk_model import RiskModel
from records.settings import read_settings
from serving.loading import open_records
from tests.factories import NAME, NOW


def main(directory: Path) -> None:
    """Serve the model of a directory on the socket that was inherited."""
    settings = read_settings()
    key = open_records(settings)
    from records.clients import ClientCache
    from records.pseudonym import Pseudonymiser
    from records.suspensions import Suspensions
    from records.writer import Writer
    from serving.app import create_app

    writer = Writer(settings.database, queue=settings.write_queue, clock=lambda: NOW)
    writer.start()
    model = RiskModel.load(directory, version="1")
    app = create_app(
        {NAME: model},
        writer,
        Pseudonymiser(key),
        ClientCache(),
        Suspensions(),
        settings,
        lambda: NOW,
    )
    listening = socket.socket(fileno=int(os.environ["LISTENING"]))
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listening])


main(Path(sys.argv[1]))
