"""What the README and the documentation say, held against what is there."""

import json
import re
import shlex
import shutil
import sqlite3
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest
import typer
import xgboost

from auscult.command import app
from auscult.demo.story import SCOPES as DEMO_SCOPES
from models.artefact import write_manifest
from models.definition import parse_definition
from models.encoding import encode_table
from models.feature import Feature
from models.risk_model import RiskModel
from models.scoring.calibration import Sigmoid
from models.scoring.scorer import save_scorer
from records.clients import SCOPES, create_client
from records.settings import Settings
from serving import (
    cds_hooks,
    corrections,
    fhir_api,
    fhir_corrections,
    fhir_records,
    fhir_search,
    json_api,
    json_records,
    own_api,
)
from serving.operation import Operation
from serving.outbound import Outbound
from serving.problems import TABLE
from tests.serving.conftest import Serve, Service, model, model_directory, serve  # noqa: F401 - fixtures
from training.cohort import read_cohort

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
GUIDES = [page for page in PAGES if page.parent == ROOT / "docs" or page.name == "README.md"]
PATIENCE_S = 120.0
CALLED = [ROOT / "README.md", ROOT / "docs" / "integrate.md"]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OTHER_PROGRAMS = (
    "cp",
    "systemctl",
    ".",
    ".venv/bin/python",
    "eval",
    "export",
    "git",
    "mlflow",
    "sqlite3",
)


def each(pages: list[Path]) -> Any:
    return pytest.mark.parametrize("page", pages, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text("utf-8")) if found == language]


def prose(page: Path) -> str:
    return BLOCK.sub("", page.read_text("utf-8"))


def table(page: Path, heading: str) -> list[list[str]]:
    """The cells of the table whose first heading this is."""
    lines = iter(page.read_text("utf-8").splitlines())
    next(line for line in lines if line.startswith(f"| {heading} |"))
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


# --- commands ---------------------------------------------------------------------------------


def shell_lines(page: Path) -> Iterator[list[str]]:
    """Every command line of the shell blocks, without the settings before it; curl's apart."""
    for block in blocks(page, "sh"):
        lines = [] if "curl " in block else block.splitlines()
        for line in (one for one in lines if not re.match(r"\w+\(\) {", one)):
            bare = re.sub(r"^[A-Z_]+=(\$\(.*?\)|\S*)\s*", "", line)
            if words := shlex.split(bare, comments=True):
                yield words


def parse(words: list[str]) -> None:
    """Parse a command line as `auscult` would, without running anything."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context(command.name, rest)


@each(GUIDES)
def test_every_command_in_a_block_exists_with_its_options(page):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for program, *words in shell_lines(page):
        if program == "make":
            assert words[0] in targets, words
        elif program == "auscult":
            parse(words)
        else:
            assert program in OTHER_PROGRAMS, program


def test_a_command_or_option_that_does_not_exist_is_noticed():
    with pytest.raises(Exception, match="No such option"):
        parse(["train", "mortality_5y", "--fast"])
    with pytest.raises(KeyError, match="untrain"):
        parse(["untrain", "mortality_5y"])
    with pytest.raises(Exception, match="because"):
        parse(["promote", "mortality_5y", "1"])


@each(GUIDES)
def test_every_command_and_option_in_the_prose_exists(page):
    commands = list(walked(typer.main.get_command(app)))
    names = {command.name for command in commands}
    options = {option for command in commands for one in command.params for option in one.opts}
    for code in quoted(prose(page)):
        words = code.split()
        if words[0] == "auscult" and len(words) > 1 and not words[1].startswith(("-", "auscult")):
            assert words[1] in names, code
        for word in words:
            if re.fullmatch(r"--[a-z-]+", word) and words[0] in ("auscult", word):
                assert word in options | {"--help"}, code


def walked(command: Any) -> Iterator[Any]:
    yield command
    for one in getattr(command, "commands", {}).values():
        yield from walked(one)


# --- settings ---------------------------------------------------------------------------------


@each(GUIDES)
def test_every_setting_that_is_named_exists(page):
    known = {f"AUSCULT_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bAUSCULT_[A-Z_]+\b", page.read_text("utf-8"))) <= known


def test_every_setting_is_documented_with_its_default():
    rows = table(ROOT / "docs" / "operate.md", "setting")
    said = {quoted(name)[0]: default.strip("`") for name, default, _ in rows}
    there = {
        f"AUSCULT_{name.upper()}": "" if field.default in (None, ()) else str(field.default)
        for name, field in Settings.model_fields.items()
    }
    assert said == there


# --- links and files --------------------------------------------------------------------------


@each(PAGES)
def test_every_link_leads_to_something(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path), target


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@each(PAGES)
def test_every_file_of_this_repository_that_is_named_is_there(page):
    folders = "auscult|benchmarks|deploy|docs|models|monitoring|records|serving|tests|training"
    for code in quoted(prose(page)):
        if re.fullmatch(rf"({folders})/[\w./-]+", code):
            assert (ROOT / code).exists() or (page.parent / code).exists(), code


def test_the_pictures_are_small_and_wide_enough():
    pictures = sorted((ROOT / "docs" / "images").glob("*.png"))
    assert {"alarm", "console", "models"} <= {path.stem for path in pictures}
    for path in pictures:
        width = int.from_bytes(path.read_bytes()[16:20], "big")
        assert path.stat().st_size < 300_000, path
        assert width >= 1000, path


# --- the definition and the table -------------------------------------------------------------


def test_the_example_of_a_definition_and_its_table_are_read(tmp_path):
    page = ROOT / "docs" / "train.md"
    (text,) = blocks(page, "toml")
    definition = parse_definition(text.encode(), source="train.md")
    (rows,) = blocks(page, "csv")
    (tmp_path / "discharges.csv").write_text(rows)
    frame = read_cohort(tmp_path / "discharges.csv", definition).frame
    assert list(frame.columns) == rows.splitlines()[0].split(",")
    assert frame["outcome"].tolist() == [1, 0, 0]
    assert definition.name in page.read_text("utf-8").split("```toml")[0]


def test_every_key_of_a_feature_is_explained():
    page = ROOT / "docs" / "train.md"
    shown = set().union(*(one for one in tomllib.loads(blocks(page, "toml")[0])["features"]))
    assert set(Feature.model_fields) <= shown | set(quoted(prose(page)))


# --- requests ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A request as a reader would send it, and the answer that the text shows, if it does."""

    page: str
    command: str
    answer: str | None


class Shell:
    """A reader's shell, in which the blocks of a page are run as they stand."""

    def __init__(self, directory: Path, address: str, key: str, page: str) -> None:
        self._heads, self._body = directory / "heads", directory / "body"
        self._process = subprocess.Popen(
            ["bash", "-u"], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        # what the first block of the page sets, but for the key and where the service is
        (first,) = (one for one in blocks(ROOT / page, "sh") if "SERVICE=" in one)
        self._run(f"{first}\nSERVICE={address}\nKEY={key}")
        self._run(f'curl() {{ command curl -D "{self._heads}" "$@"; }}')

    def send(self, command: str) -> tuple[int, str, str]:
        """Run a block and return status, media type and body of the answer to its last request."""
        self._heads.unlink(missing_ok=True)
        self._run(f'{{\n{command}\n}} > "{self._body}"')
        head, *fields = self._heads.read_text().strip().splitlines()
        (kind,) = (one[14:] for one in fields if one.lower().startswith("content-type: "))
        return int(head.split()[1]), kind, self._body.read_text()

    def close(self) -> None:
        self._process.communicate(timeout=PATIENCE_S)

    def _run(self, text: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(f"{text}\necho done", file=self._process.stdin, flush=True)
        assert self._process.stdout.readline() == "done\n", text


def examples() -> list[Example]:
    found = []
    for page in CALLED:
        parts = BLOCK.findall(page.read_text("utf-8"))
        for (language, text), (after, answer) in zip(parts, [*parts[1:], ("", "")], strict=True):
            if language == "sh" and "curl " in text:
                found.append(
                    Example(str(page.relative_to(ROOT)), text, answer if after == "http" else None)
                )
    return found


EXAMPLES = examples()


@pytest.fixture(scope="module")
def mortality(tmp_path_factory: pytest.TempPathFactory) -> RiskModel:
    """The shipped definition with a small booster, fitted to people who are made up."""
    directory = tmp_path_factory.mktemp("artefact") / "mortality_5y"
    directory.mkdir()
    shipped = ROOT / "models" / "mortality_5y"
    for name in ("model.toml", "card.md"):
        (directory / name).write_bytes((shipped / name).read_bytes())
    definition = parse_definition((shipped / "model.toml").read_bytes(), source="model.toml")
    rng = np.random.default_rng(5)
    rows = 800
    people = {
        "age": np.floor(rng.uniform(50, 95, rows)),
        "sex": rng.choice(["female", "male"], rows).astype(object),
        "kappa": rng.gamma(4, 0.35, rows) + 0.1,
        "lambda": rng.gamma(4, 0.4, rows) + 0.1,
        "creatinine": np.where(rng.random(rows) < 0.15, np.nan, rng.gamma(9, 0.12, rows) + 0.2),
    }
    inputs = encode_table(definition, people)
    died = rng.random(rows) < 1 / (1 + np.exp(4 - 0.05 * (people["age"] - 50) - people["kappa"]))
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "nthread": 1},
        xgboost.DMatrix(inputs, label=died),
        8,
    )
    save_scorer(
        directory,
        features=tuple(feature.name for feature in definition.features),
        columns=definition.columns,
        column_feature=np.array(definition.column_feature),
        calibration=Sigmoid(0.9, 0.1),
        booster_ubj=bytes(booster.save_raw("ubj")),
        linear=None,
    )
    digest = write_manifest(directory, definition.name)
    return RiskModel.load(directory, version="1", digest=digest)


@pytest.fixture
def read_along(
    serve: Serve,  # noqa: F811
    sqlite_db: Settings,
    mortality: RiskModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[str], Shell]]:
    """Open a reader's shell for a page, at a server that answers for `mortality_5y` and has the
    reader's clock."""
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("the commands of the pages need bash and curl")
    # before anything else writes, and with patience: what is tested is what is said, not how soon
    key, _ = create_client("reader", DEMO_SCOPES, now=datetime.now(UTC))
    service = serve(sqlite_db.model_copy(update={"request_timeout_s": PATIENCE_S}), mortality)
    monkeypatch.setattr(Service, "now", property(lambda _: datetime.now(UTC)))
    shells: list[Shell] = []

    def open_shell(page: str) -> Shell:
        shells.append(Shell(tmp_path, service.address, key, page))
        return shells[-1]

    yield open_shell
    for shell in shells:
        shell.close()


def page_of(name: str) -> list[Example]:
    return [one for one in EXAMPLES if one.page == name]


@pytest.mark.parametrize("page", ["README.md", "docs/integrate.md"])
def test_a_pages_requests_are_answered_as_it_says_in_its_order(read_along, page):
    found = page_of(page)
    assert len(found) >= (2 if page == "README.md" else 15)
    shell = read_along(page)
    for example in found:
        check_answer(example, shell.send(example.command))


@pytest.mark.parametrize("page", ["README.md", "docs/integrate.md"])
def test_each_request_of_a_page_is_answered_so_by_itself(read_along, page):
    found = page_of(page)
    needed = [one for one in found if "PREDICTION=" in one.command]
    for example in found:
        shell = read_along(page)
        for one in needed if "$PREDICTION" in example.command else ():
            shell.send(one.command)
        check_answer(example, shell.send(example.command))


def test_a_database_that_is_busy_for_longer_than_callers_wait_changes_no_answer_here(
    read_along, sqlite_db
):
    example = next(one for one in page_of("README.md") if one.answer)
    shell = read_along("README.md")
    longer_s = Settings.model_fields["request_timeout_s"].default + 1
    path = sqlite_db.root / "records.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        released = Timer(longer_s, other.execute, ["ROLLBACK"])
        released.start()
        try:
            check_answer(example, shell.send(example.command))
            assert not other.in_transaction
        finally:
            released.join()


def check_answer(example: Example, answer: tuple[int, str, str]) -> None:
    status, kind, body = answer
    if example.answer is None:
        assert status == 200, (example.page, body)
        return
    head, _, said = example.answer.partition("\n\n")
    first, media_type = head.splitlines()
    assert first.split()[1] == str(status), (example, body)
    assert media_type == f"Content-Type: {kind}"
    exact = status >= 400
    differences = list(missing_from(json.loads(said), json.loads(body), "answer", exact))
    assert not differences, (example.page, differences)


def missing_from(said: Any, real: Any, place: str, exact: bool) -> Iterator[str]:
    """Name what the text shows and the answer lacks; figures are those of another fit."""
    if isinstance(said, dict | list) and isinstance(real, type(said)):
        parts = said.items() if isinstance(said, dict) else enumerate(said)
        for key, value in parts:
            if key in real if isinstance(real, dict) else key < len(real):
                yield from missing_from(value, real[key], f"{place}.{key}", exact)
            else:
                yield f"{place}.{key} isn't in the answer"
    elif isinstance(said, dict | list) or isinstance(real, dict | list):
        yield f"{place} is of another form"
    elif exact and said != real:
        yield f"{place} is {real!r}, the text says {said!r}"


def test_a_wrong_answer_in_the_text_would_be_noticed():
    said = {"risk": 0.1, "reason": "no_unit", "findings": [{"kind": "missing"}]}
    assert not list(missing_from(said, said | {"more": 1}, "answer", True))
    assert list(missing_from(said, said | {"reason": "no_units"}, "answer", True))
    assert list(missing_from(said, said | {"findings": []}, "answer", False))
    assert list(missing_from(said, {"risk": 0.1}, "answer", False))


def test_the_answer_that_is_shown_whole_adds_up_to_its_risk():
    answers = [e.answer for e in EXAMPLES if e.page == "docs/integrate.md" and e.answer]
    answer = json.loads(answers[0].partition("\n\n")[2])
    assert len(answer["contributions"]) == 5
    total = answer["base"] + sum(one["contribution"] for one in answer["contributions"])
    assert total == pytest.approx(np.log(answer["risk"] / (1 - answer["risk"])), abs=1e-6)


def operations() -> list[Operation]:
    return [
        *json_api.operations({}),
        *json_records.operations(),
        *corrections.operations(),
        *fhir_corrections.operations(),
        *fhir_api.operations(),
        *fhir_records.operations(),
        *fhir_search.operations(),
        *cds_hooks.operations({}, Outbound(Settings())),
        *own_api.operations(),
    ]


def test_every_route_stands_in_the_table_with_its_scopes():
    there = {
        (f"{method} {one.path}", frozenset(one.scopes))
        for one in operations()
        for method in one.methods
    }
    said = {
        (route, frozenset(quoted(scopes)))
        for routes, scopes, _ in table(ROOT / "docs" / "integrate.md", "route")
        for route in quoted(routes)
    }
    assert said == there


def test_every_scope_stands_in_the_table_or_among_those_that_open_nothing():
    page = ROOT / "docs" / "integrate.md"
    asked = {scope for operation in operations() for scope in operation.scopes}
    opening = {quoted(row[0])[0] for row in table(page, "scope")}
    assert opening == asked | {"explain", "replay", "bulk"}
    (sentence,) = re.findall(r"Scopes whose\s+routes don't exist yet \((.*?)\)", prose(page))
    assert set(quoted(sentence)) == set(SCOPES) - opening


def test_every_problem_stands_in_the_table_under_its_status():
    said = {
        (int(status), slug)
        for status, slugs, *_ in table(ROOT / "docs" / "integrate.md", "status")
        for slug in quoted(slugs)
    }
    assert said == {(kind.status, kind.slug) for kind in TABLE.values()}
