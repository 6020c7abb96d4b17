"""The pages of a run: its model card and its data-quality report, from the evidence alone."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown import markdown

from models.amounts import counted
from models.definition import DefinitionFile
from models.figure_names import SCALAR_TITLES, THRESHOLD_TITLES
from models.units import unit_words
from training.artefact import plain_json
from training.beside_baseline import not_better
from training.beside_champion import champion_differences
from training.case_mix_facts import case_mix_facts
from training.evidence import RECALIBRATED, SITE
from training.gates import shown_only
from training.making_facts import monotone
from training.reporting import reports
from training.table_facts import available_words, left_out, set_to_missing

if TYPE_CHECKING:
    from training.plots import Drawing

_NOTES: Final = {
    "calibration_slope": "ideal 1",
    "calibration_in_the_large": "ideal 0",
    "observed_expected": "ideal 1",
    "ici": "ICI",
    "e50": "E50",
    "e90": "E90",
}
TITLES: Final = {
    name: f"{title} ({_NOTES[name]})" if name in _NOTES else title
    for name, title in SCALAR_TITLES.items()
    if name != "calibration_intercept"  # which says little without the slope
}
NOT_PROVIDED: Final = (
    "a study of the effect on decisions and outcomes",
    "assessment of clinical safety by a safety officer",
)
_EXTERNAL: Final = "external validation on another population"
_AUTHORS_LEVEL: Final = 3
_STABILITY: Final = "instability of individual predictions (of `auscult train --stability 200`)"
Card = Callable[..., dict[str, bytes]]  # of a run, by `registered` once it has a version
_TEMPLATES = Path(__file__).with_name("templates")


def card_files(
    file: DefinitionFile,
    evidence: Mapping[str, Any],
    drawings: Mapping[str, "Drawing"],
    earlier: str = "",
    registered: Mapping[str, str] | None = None,
    champion: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """Return the model card as `card.html`, complete in one file, and as `card.json`.

    `earlier` says what is to be borne in mind of earlier runs, `registered` the version and when it
    became that, and `champion` how it compares with the champion, if these are known.
    """
    known = {"registered": registered, "champion": champion}
    evidence = {**evidence, **{name: dict(one) for name, one in known.items() if one is not None}}
    about = case_mix_facts(file.definition, evidence)
    page = _page(
        "card.html",
        definition=file.definition,
        evidence=evidence,
        earlier=earlier,
        beside=not_better(evidence),
        left_out=left_out(evidence["data_quality"]),
        set_to_missing=set_to_missing(evidence["data_quality"]),
        left_out_by_quick=_left_out_by_quick(evidence),
        champion=champion,
        champion_differences={} if champion is None else champion_differences(champion),
        renewed=evidence.get("recalibration"),
        monotone=monotone(file.definition),
        registered=registered,
        about=[about[name] for name in ("accrual", "comparison") if about[name]],
        evaluation=evidence["model_evidence"]["evaluation"],
        baseline=evidence["baseline_evidence"]["evaluation"],
        uninformed=evidence["without_indicators"],
        subgroup_titles={
            "site": "Site",
            **{group.name: group.title for group in file.definition.subgroups},
        },
        available=available_words(evidence),
        titles=TITLES,
        threshold_titles=THRESHOLD_TITLES,
        pictures=[
            (name, one.caption, base64.b64encode(one.png).decode())
            for name, one in drawings.items()
        ],
        not_provided=_not_provided(evidence),
        authors=_authors_text(file.card),
        reports=reports(file.definition, evidence),
    )
    values = _card_values(file, evidence) | ({"earlier_runs": earlier} if earlier else {})
    return {"card.html": page, "card.json": plain_json(values)}


def quality_page(file: DefinitionFile, evidence: Mapping[str, Any]) -> bytes:
    """Return the data-quality report as a page."""
    return _page(
        "quality.html",
        title=file.definition.title,
        made="recalibrated to" if RECALIBRATED in evidence else "trained on",
        source=evidence["cohort"]["source"],
        quality=evidence["data_quality"],
        left_out=left_out(evidence["data_quality"]),
        set_to_missing=set_to_missing(evidence["data_quality"]),
    )


def _card_values(file: DefinitionFile, evidence: Mapping[str, Any]) -> dict[str, Any]:
    definition = file.definition
    return {
        "for_clinical_use": not definition.for_demonstration and definition.status == "approved",
        "definition": definition.model_dump(mode="json"),
        "authors": file.card,
        "evidence": dict(evidence),
        "reporting": [report.to_dict() for report in reports(definition, evidence)],
        "not_provided": list(_not_provided(evidence)),
    }


def _left_out_by_quick(evidence: Mapping[str, Any]) -> str:
    """Name what this run would have done, had it not been a quick one."""
    found = ["the comparison of contributions with shap's"]
    if _could_leave_sites_out(evidence):
        found.insert(0, "fits without each site")
    if evidence.get("baseline_terms", {"indicators": True})["indicators"]:
        found.insert(0, "the regression without indicators of missing values")
    return f"{', '.join(found[:-1])} and {found[-1]}" if found[1:] else found[0]


def _could_leave_sites_out(evidence: Mapping[str, Any]) -> bool:
    """Say whether trees can be fitted without each site in turn and judged by its later rows."""
    judged = evidence["model_evidence"]["evaluation"]["subgroups"]
    groups = [*judged, *(evidence.get("training_groups") or ())]
    sites = {one["group"] for one in groups if one["characteristic"] == SITE}
    return not evidence["split"]["nested_folds"] and len(sites) > 1


def _not_provided(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    external = () if "recalibration" in evidence else (_EXTERNAL,)
    stability = (_STABILITY,) if evidence["stability"] is None else ()
    return (*external, *NOT_PROVIDED, *stability)


def _page(template: str, **values: Any) -> bytes:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    css = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    environment.filters["counted"] = counted
    environment.globals.update(
        number=_number,
        signed=_signed,
        amount=_amount,
        percent=_percent,
        shown_share=_shown_share,
        joint=_joint,
        shown_only=shown_only,
        unit_words=unit_words,
    )
    return environment.get_template(template).render(css=css, **values).encode()


def _authors_text(text: str) -> str:
    """Return the authors' Markdown as HTML under the page's headings, its HTML shown as text."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    levels = {"toc": {"baselevel": _AUTHORS_LEVEL, "marker": ""}}
    return str(markdown(escaped, extensions=["tables", "toc"], extension_configs=levels))


def _number(value: float, digits: int) -> str:
    # z: what rounds to nothing has no sign
    return f"{value:z,.{digits}f}"


def _signed(value: float, digits: int) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):.{digits}f}"


def _amount(value: float | None) -> str:
    return "withheld" if value is None else f"{value:g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _shown_share(share: float | None) -> str:
    return "withheld" if share is None else _percent(share)


def _joint(estimate: Mapping[str, Any]) -> str:
    """Return a figure with the interval that holds for all groups of its family."""
    low, high = estimate["simultaneous_low"], estimate["simultaneous_high"]
    if estimate["value"] is None or low is None or high is None:
        return "not estimable"
    return f"{estimate['value']:z.3f} ({low:z.3f} to {high:z.3f})"
