"""The one place where the libraries' telemetry is switched off."""

import os

SWITCHES = {
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "ITERATIVE_DO_NOT_TRACK": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def switch_off() -> None:
    """Switch every telemetry off, for this process and those it starts."""
    os.environ.update(SWITCHES)
