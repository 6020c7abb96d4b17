"""The shipped models beside an XGBoost whose parameters nobody searched, on the same people.

    python -m benchmarks.references            # the newest version of each, in AUSCULT_HOME
    python -m benchmarks.references --write    # and into the README

Both learn from the same rows, features and weights and are judged by the same people, in the same
folds where folds judge; a version's own risks are those that its run kept. Two further lines are of
people whom the versions' evidence leaves aside: those of `mortality_5y` sampled later, scored as
served, and all later stays of `readmission_30d`, for which its trees are searched, fitted and
calibrated once more (some 10 minutes of processor time) without anybody who comes back.
"""

import argparse
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from xgboost import XGBClassifier

from benchmarks.markdown import table, write_between
from models.catalogue import definitions
from models.definition import Definition, DefinitionFile
from models.evaluation.censoring import outcome_at_horizon
from models.risk_model import RiskModel
from records.settings import Settings, read_settings
from training.candidate import Making, make_trees
from training.champion import JUDGED_FILE, read_judged
from training.cohort import Cohort
from training.cohorts import SHIPPED, flchain
from training.evaluation import evaluate_beside_on
from training.population import FloatArray, Population, admit
from training.registry import download, newest_version, read_run_file
from training.split import Split, split

README = Path(__file__).parents[1] / "README.md"
UNTUNED = {
    "n_estimators": 300,
    "learning_rate": 0.05,
    "max_depth": 4,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
}
PEERS: Mapping[str, Mapping[str, Any]] = {"untuned": UNTUNED, "as it comes": {}}
SEED = 20261  # that of a default run, so that folds are those by which a version was judged


@dataclass(frozen=True, eq=False)
class Compared:
    """Some people, the version's risks of them, and those of each peer."""

    title: str
    definition: Definition
    rows: Population
    risk: FloatArray
    peers: Mapping[str, FloatArray]


def main() -> None:
    """Print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", help="default: all that are shipped")
    parser.add_argument("--trials", type=int, default=50, help="of the search without returners")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="into the README too")
    asked = parser.parse_args()
    settings = read_settings()
    lines = []
    for name, file in definitions([]).items():
        if not asked.models or name in asked.models:
            for compared in comparisons(file, settings, asked.trials):
                lines.append(line(compared, asked.draws))
                print(" | ".join(lines[-1]), flush=True)
    heads = ["AUROC", "Auscult", "untuned XGBoost", "difference", "XGBoost as it comes"]
    text = table(heads, lines)
    print(f"\n{text}")
    if asked.write:
        write_between(README, "benchmarks.references", text)


def comparisons(file: DefinitionFile, settings: Settings, trials: int) -> Iterator[Compared]:
    """Compare the newest version on the people who judged it, and on others if there are any."""
    name = file.definition.name
    reader = SHIPPED[name]
    path: Path = reader.fetch(settings, _quiet)
    cohort: Cohort = reader.development(path)
    population, _ = admit(cohort, file.definition, datetime.now(UTC))
    divided = split(
        population,
        SEED,
        test_share=cohort.test_share,
        unordered_because=cohort.unordered_because,
    )
    yield _as_judged(file.definition, population, divided, settings)
    if reader is flchain:
        yield _sampled_later(file.definition, population, path, settings)
    if not divided.outer:
        yield _all_later(file.definition, population, divided, trials)


def line(compared: Compared, draws: int) -> list[str]:
    """Return the AUROCs and the paired difference, each with its 95 % interval."""
    found = evaluate_beside_on(
        compared.rows, compared.risk, compared.peers, compared.definition, draws=draws, seed=SEED
    )
    difference = found.comparisons["untuned"].differences["auroc"]
    return [
        f"`{compared.definition.name}`, {compared.title}: {found.own.n:,} rows, "
        f"{found.own.events:,} events",
        _shown(found.own.figures["auroc"]),
        _shown(found.others["untuned"].figures["auroc"]),
        _shown(difference, "+"),
        _shown(found.others["as it comes"].figures["auroc"]),
    ]


def _as_judged(
    definition: Definition, population: Population, divided: Split, settings: Settings
) -> Compared:
    rows = population.part(divided.test)
    version = newest_version(definition.name, settings=settings)
    text = read_run_file(version, JUDGED_FILE, settings=settings)
    risk = None if text is None else read_judged(text, rows)
    if risk is None:
        raise SystemExit(f"{definition.name} {version.version} was judged on other rows")
    title = "nested cross-validation" if divided.outer else "later stays of new people"
    parts = divided.outer or ((divided.training, divided.test),)
    peers = {name: np.full(len(population), np.nan) for name in PEERS}
    for learning, judging in parts:
        learnt, judged = population.part(learning), population.part(judging)
        for name, risks in _peers(learnt, judged).items():
            peers[name][judging] = risks
    return Compared(
        title, definition, rows, risk, {n: risks[divided.test] for n, risks in peers.items()}
    )


def _sampled_later(
    definition: Definition, population: Population, path: Path, settings: Settings
) -> Compared:
    """Score the people sampled in 1997-2003, who took no part, as they would be served."""
    later = flchain.live(path)
    died, _ = outcome_at_horizon(later["follow_up_days"], later["died"], flchain.HORIZON_DAYS)
    frame = later[list(flchain.FEATURES)].assign(
        outcome=died,
        patient_id=later["person"].astype(str),
        follow_up_days=later["follow_up_days"].astype("float64"),
        stratum=later["sample_year"],
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rows, _ = admit(Cohort(frame, "flchain, later", digest), definition, datetime.now(UTC))
    version = newest_version(definition.name, settings=settings)
    place = settings.cache / "artefacts" / version.artefact_digest
    model = RiskModel.load(
        download(version, place, settings=settings),
        version=version.version,
        digest=version.artefact_digest,
    )
    risk = model.risks(dict(rows.columns))
    return Compared("people sampled later", definition, rows, risk, _peers(population, rows))


def _all_later(
    definition: Definition, population: Population, divided: Split, trials: int
) -> Compared:
    """Judge by all later stays; whoever comes back later is left out of what is learnt from."""
    earlier = np.zeros(len(population), dtype=np.bool_)
    earlier[divided.training] = True
    later = population.part(~earlier)
    learnt = population.part(earlier & ~np.isin(population.patient, later.patient))
    made = make_trees(Making(definition, trials=trials, seed=SEED), learnt, _quiet)
    risk = made.fitted.risk(later.inputs)
    return Compared("all later stays", definition, later, risk, _peers(learnt, later))


def _peers(learnt: Population, judged: Population) -> dict[str, FloatArray]:
    risks = {}
    for name, parameters in PEERS.items():
        model = XGBClassifier(tree_method="hist", n_jobs=1, random_state=SEED, **parameters)
        model.fit(learnt.inputs, learnt.outcome, sample_weight=learnt.weights())
        risks[name] = model.predict_proba(judged.inputs)[:, 1].astype(np.float64)
    return risks


def _shown(estimate: Any, sign: str = "") -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "not estimable"
    return f"{estimate.value:{sign}.3f} ({estimate.low:{sign}.3f} to {estimate.high:{sign}.3f})"


def _quiet(*_: object) -> None:
    """Take no notice of progress."""


if __name__ == "__main__":
    main()
