"""What the discovery endpoint says of a model's service, and the prefetch that it asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from models.definition import NOT_FOR_CLINICAL_USE, Definition
from models.feature import Feature
from models.loinc import LOINC, PANELS

PATIENT_KEY = "patient"
ENCOUNTER_KEY = "encounter"
PATIENT_ID = "{{context.patientId}}"
# of what is no search, by its key
_READS = {PATIENT_KEY: f"Patient/{PATIENT_ID}", ENCOUNTER_KEY: "Encounter/{{context.encounterId}}"}
# the newest result may have been cancelled or entered in error, several of them hardly
_LATEST_COUNT, _ALL_COUNT, _MOST_COUNT = 10, 100, 500


@dataclass(frozen=True, slots=True)
class Template:
    """One prefetch key, and the feature that it is for; without one, the patient or encounter.

    `token` is the code that is searched for, as system|code, newest first and `count` at most.
    """

    key: str
    feature: Feature | None = None
    token: str = ""
    count: int = 1

    @property
    def query(self) -> str:
        """The query that fills the key."""
        return _search(self.token, self.count) if self.feature else _READS[self.key]

    @property
    def resource(self) -> str:
        """The type of what it fills the key with; of a search, that of its results."""
        return self.query.partition("/")[0] if self.feature is None else "Observation"


def url_of(asked: Sequence[Template], server: str, patient_id: str) -> str:
    """Return the address of the patient, or of all these keys' results in one search.

    The patient's id must have been checked. Several codes are listed with commas, which a
    prefetch may not (CDS-5) and every search may.
    """
    first = asked[0]
    query = first.query
    if len(asked) > 1:
        # two features may be components of one panel
        tokens = dict.fromkeys(one.token for one in asked)
        query = _search(",".join(tokens), count_of(asked))
    query = query.replace(PATIENT_ID, patient_id)
    return f"{server.rstrip('/')}/{query.replace('|', '%7C')}"


def count_of(asked: Sequence[Template]) -> int:
    """Return how many results are asked for where all these keys are read in one search."""
    return min(sum(one.count for one in asked), _MOST_COUNT)


def templates(definition: Definition) -> tuple[Template, ...]:
    """Return a definition's prefetch: patient, encounter if wanted, a key each code (CDS-5).

    A panel has a key, too: a search by the code of one of its components doesn't find it.
    """
    about = definition.cds_hooks
    keys = [PATIENT_KEY, *([ENCOUNTER_KEY] if about and about.prefetch_encounter else [])]
    return (*map(Template, keys), *_observations(definition))


def describe(
    definition: Definition, asked: tuple[Template, ...], *, suspended: str | None = None
) -> list[dict[str, Any]]:
    """Return the entries of a model's service, one for each of its hooks (CDS-1, CDS-2).

    `suspended` is why the model answers nothing at the time, if that is so.
    """
    about = definition.cds_hooks
    if about is None:
        return []
    use = definition.intended_use
    description = f"{definition.outcome.definition}. For: {use.population}"
    if definition.for_demonstration:
        description = f"{NOT_FOR_CLINICAL_USE.capitalize()}. {description}"
    if suspended is not None:
        # an EHR may keep the text, which stays true: when this was asked, and not now
        because = suspended.rstrip(".")
        description = f"Suspended when this was asked, because: {because}. {description}"
    entry = {
        "id": about.id,
        "title": definition.title,
        "description": description,
        "prefetch": {template.key: template.query for template in asked},
        "usageRequirements": "Without prefetch, a token that may read Patient and Observation",
    }
    return [{"hook": hook, **entry} for hook in about.hooks]


def _observations(definition: Definition) -> Iterator[Template]:
    for feature in definition.features:
        if feature.source != "observation" or feature.derived is not None:
            continue
        count = _LATEST_COUNT if feature.reduce == "latest" else _ALL_COUNT
        for system, code in _searched(feature):
            yield Template(f"{feature.name}_{code}", feature, f"{system}|{code}", count)


def _searched(feature: Feature) -> Iterator[tuple[str, str]]:
    """Yield the codes of a feature, and those of the panels that hold it as a component."""
    yield from feature.codings
    panels = {PANELS[code]: None for code in feature.loinc if code in PANELS}
    yield from ((LOINC, panel) for panel in panels if panel not in feature.loinc)


def _search(tokens: str, count: int) -> str:
    return f"Observation?patient={PATIENT_ID}&code={tokens}&_sort=-date&_count={count}"
