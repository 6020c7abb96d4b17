"""The command: its errors, its help and what it prints for other programs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from auscult.command import app
from models.errors import RegistryError
from records.settings import Settings
from tests.training.readmissions import people, write_definition
from training.registry import newest_version

AUSCULT = Path(sys.executable).with_name("auscult")
COMMANDS = (
    "init", "migrate", "env", "models", "train", "retrain", "promote", "rollback", "history",
    "package", "serve", "suspend", "restore", "score", "monitor", "alarms", "performance",
    "transportability", "lookback", "corrections", "export", "console", "work", "demo",
    "reproduce", "validate",
)  # fmt: skip


def run(*arguments: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {"PATH": os.environ["PATH"], "COLUMNS": "160", "AUSCULT_HOME": str(home)}
    return subprocess.run(
        [AUSCULT, *arguments],
        env=kept | environment,
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_step_of_the_loop_is_a_command_with_help(command, tmp_path):
    done = run(command, "--help", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert f"auscult {command}" in done.stdout


def test_help_imports_none_of_the_heavy_libraries():
    heavy = ("mlflow", "sklearn", "xgboost", "shap", "evidently", "bentoml", "matplotlib", "pandas")
    program = (
        "import sys; from auscult import command; "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_before_init_a_command_names_init_and_makes_nothing(tmp_path):
    done = run("monitor", "mortality_5y", home=tmp_path / "home")
    assert done.returncode == 1
    assert "auscult init" in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_wrong_setting_stops_the_start_and_is_named(tmp_path):
    done = run("env", home=tmp_path / "home", AUSCULT_PORT="eighty")
    assert done.returncode == 1
    assert "AUSCULT_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_of_an_unknown_kind_stops_the_start(tmp_path):
    done = run("models", home=tmp_path / "home", AUSCULT_DATABASE_URL="mysql://x")
    assert done.returncode == 1
    assert "AUSCULT_DATABASE_URL" in done.stderr


def test_mlflows_own_pages_are_pointed_to_the_registry(tmp_path):
    exports = run("env", home=tmp_path / "home").stdout
    assert f"MLFLOW_BACKEND_STORE_URI=sqlite:///{tmp_path}/home/mlflow.db" in exports


def test_an_unknown_model_is_refused_with_the_names_that_are_known(tmp_path):
    home = tmp_path / "home"
    run("init", home=home)
    done = run("train", "mortality", "--quick", home=home)
    assert done.returncode == 1
    assert "mortality_5y" in done.stderr


def test_init_makes_a_private_home_and_keeps_what_is_there(tmp_path):
    home = tmp_path / "home"
    shown = run("init", home=home)
    assert shown.returncode == 0, shown.stderr
    assert home.stat().st_mode & 0o777 == 0o700
    key = (home / "keys" / "pseudonym.key").read_bytes()
    again = run("init", home=home)
    assert again.returncode == 1
    assert "set up already" in again.stderr
    assert (home / "keys" / "pseudonym.key").read_bytes() == key


def test_the_exports_can_be_read_by_a_shell(tmp_path):
    home = tmp_path / "a home"
    exports = run("env", home=home).stdout
    done = subprocess.run(
        ["sh", "-c", f'{exports}\nprintf %s "$BENTOML_HOME"'], capture_output=True, text=True
    )
    assert done.stdout == str(home / "bentoml")


@pytest.mark.parametrize("given", ["", "  "])
def test_a_name_that_is_given_and_is_none_is_not_replaced_by_the_systems_user(given: str) -> None:
    done = CliRunner().invoke(app, ["rollback", "mortality_5y", "--because", "x", "--by", given])

    assert done.exit_code == 2
    assert "name who does it, or leave --by out" in " ".join(done.output.split())


def test_the_history_of_no_model_is_refused_and_one_without_history_says_so(tmp_path):
    home = tmp_path / "home"
    run("init", home=home)

    refused, empty = (run("history", name, home=home) for name in ("nosuch", "mortality_5y"))

    assert refused.returncode == 1
    assert refused.stderr.startswith("auscult: there is no model 'nosuch'; known are: ")
    assert empty.returncode == 0, empty.stderr
    assert "No alias of mortality_5y was ever moved" in empty.stdout


def test_an_interrupted_training_says_so_and_that_nothing_was_registered(tmp_path: Path) -> None:
    home, definitions = tmp_path / "home", tmp_path / "definitions" / "readmission"
    definitions.mkdir(parents=True)
    write_definition(definitions)
    people().to_csv(tmp_path / "people.csv", index=False)
    run("init", home=home)
    training = subprocess.Popen(
        [AUSCULT, "train", "readmission", "--cohort", "people.csv", "--trials", "1000"],
        env={
            "PATH": os.environ["PATH"],
            "AUSCULT_HOME": str(home),
            "AUSCULT_MODELS": str(definitions.parent),
        },
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell lets what it runs in the background ignore interrupts, and so its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert training.stdout is not None
    heard = next((line for line in training.stdout if "1,000 in all" in line), "")
    training.send_signal(signal.SIGINT)
    _, said = training.communicate(timeout=120)

    assert heard, said
    assert (training.returncode, said) == (
        130,
        "auscult: interrupted; nothing was registered\n",
    )
    with pytest.raises(RegistryError, match="readmission has no version"):
        newest_version("readmission", settings=Settings(home=home))
