"""Writes docs/bundles.md: what every shipped model makes of the Synthea Bundles."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import models
from models.definition import Definition, read_definition
from models.errors import InputError, TooLittleData
from models.features import assemble
from models.fhir import read_bundle
from serving.examples import fhir_bundle

DEFINITIONS = sorted(Path(models.__file__).parent.glob("*/model.toml"))
BUNDLES = Path(os.environ.get("AUSCULT_DATA_DIR", "/nowhere")) / "fhir_synthea"
PAGE = Path(__file__).parents[2] / "docs" / "bundles.md"
INTRODUCTION = """# What real Bundles become

The twelve Bundles of made-up patients that [Synthea](https://synthea.mitre.org) wrote, with some
hundreds of resources each, sent to every shipped model at the time at which their newest result was
issued: which features were used, which are missing, or why there is no risk. A test sends each to a
real service and compares; `python -m tests.serving.bundles` writes the page.

Synthea's patients have laboratory results of many years, seldom those of one day, and none of a
study. Where too little is known, the refusal names all that is needed; the Bundle is then sent a
second time with these added. Their Conditions and Encounters are left unread: a diagnosis or a
stay, too, is a feature's value only as an Observation under a code of the definition.
"""


@dataclass(frozen=True)
class Fate:
    """What becomes of a Bundle: the features that are used and missing, or where and why not."""

    used: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    refused: str = ""
    lacks: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.refused:
            return f"no risk, {self.refused}"
        missing = f"; missing {', '.join(self.missing)}" if self.missing else ""
        return f"a risk, used {', '.join(self.used)}{missing}"


def paths() -> list[Path]:
    """The Bundles in a fixed order."""
    return sorted(BUNDLES.glob("*.json"))


def newest(bundle: dict[str, Any]) -> datetime:
    """The time at which a Bundle's newest result was issued."""
    times = [
        datetime.fromisoformat(entry["resource"][name])
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Observation"
        for name in ("effectiveDateTime", "issued")
        if name in entry["resource"]
    ]
    return max(times).astimezone(UTC)


def fate(body: bytes, definition: Definition) -> Fate:
    """What a definition makes of a Bundle, without any service."""
    at = newest(json.loads(body))
    try:
        features = assemble(definition, read_bundle(body, definition, at).readings, at)
    except InputError as error:
        lacks = error.missing if isinstance(error, TooLittleData) else ()
        return Fate(refused=f"`{error.reason}`: {error.field}", lacks=lacks)
    used = tuple(name for name, value in features.values.items() if value is not None)
    missing = (one for one in features.findings if one.kind in ("missing", "excluded"))
    return Fate(used, tuple(f"{one.feature} (`{one.reason}`)" for one in missing))


def with_added(body: bytes, definition: Definition, names: tuple[str, ...]) -> bytes:
    """A Bundle with made-up Observations of these features, at the time of its newest."""
    bundle = json.loads(body)
    (patient,) = (e for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
    wanted = {name.replace("_", "-") for name in names}
    for entry in fhir_bundle(definition, newest(bundle))["entry"]:
        if entry["resource"]["id"] in wanted:
            resource = {**entry["resource"], "subject": {"reference": patient["fullUrl"]}}
            request = {"method": "POST", "url": "Observation"}
            bundle["entry"].append({"resource": resource, "request": request})
    return json.dumps(bundle).encode()


def bodies(path: Path, definition: Definition) -> Iterator[bytes]:
    """Yield a Bundle as it is, and again with what it lacks, if that is all that it lacks."""
    body = path.read_bytes()
    yield body
    found = fate(body, definition)
    if found.lacks:
        yield with_added(body, definition, found.lacks)


def render() -> str:
    """Return the page."""
    return "".join([INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    for source in DEFINITIONS:
        definition = read_definition(source).definition
        yield f"\n## `{definition.name}`\n\n| | resources | as it is | with what it lacks |\n"
        yield "| --: | --: | --- | --- |\n"
        for number, path in enumerate(paths(), 1):
            resources = len(json.loads(path.read_bytes())["entry"])
            fates = [str(fate(body, definition)) for body in bodies(path, definition)]
            yield f"| {number} | {resources} | {' | '.join([*fates, ''][:2])} |\n"


if __name__ == "__main__":
    PAGE.write_text(render())
