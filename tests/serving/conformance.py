"""Writes docs/conformance.md from the tests: each names the requirements that it holds."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conformance.md"
_ID = re.compile(r"\b(CDS|FHIR|UNIT|AUTH|API|ML)-(\d+)(?: to \1-(\d+))?")
SECTIONS = {
    "CDS": "CDS Hooks 2.0",
    "FHIR": "FHIR R4",
    "UNIT": "LOINC and UCUM",
    "AUTH": "OAuth 2.0 and SMART",
    "API": "Abuse of the interface",
}
TITLES = {
    "CDS-1": "discovery lists the services with non-empty members",
    "CDS-2": "members without a value are omitted",
    "CDS-3": "a production client's FHIR server is https",
    "CDS-4": "unknown service 404, bad request 400, other media types 415",
    "CDS-5": "prefetch within the recommended query subset, one key a code",
    "CDS-6": "an absent key is read back or 412; null is missing",
    "CDS-7": "an OperationOutcome is a retrieval error",
    "CDS-8": "a truncated prefetch is unknown; next pages from the same origin only",
    "CDS-9": "the access token is neither kept nor logged",
    "CDS-10": "no score is a card that says so, or the error status",
    "CDS-11": "summary, selectionBehavior, reasons with display",
    "CDS-12": "card and suggestion ids, escaped Markdown, no systemActions",
    "CDS-13": "feedback items",
    "CDS-14": "every feedback report is kept",
    "CDS-15": "signed tokens with all their claims",
    "CDS-16": "no `none`, no HMAC",
    "CDS-17": "the audience is the endpoint by its public address",
    "CDS-18": "issuers and jku are registered",
    "CDS-19": "a jti is taken once; lifetime and skew are limited",
    "CDS-20": "a bare 401, the reason in the audit log",
    "CDS-21": "exact origins only",
    "CDS-22": "extensions are objects",
    "FHIR-1": "status and subject; amended and entered-in-error",
    "FHIR-2": "the probability in percent",
    "FHIR-3": "Device, method, versioned basis",
    "FHIR-4": "choice of the value: code, status, time, no look-ahead",
    "FHIR-5": "times with an offset",
    "FHIR-6": "comparators are flagged or refused",
    "FHIR-7": "units, and unusable is not missing",
    "FHIR-8": "unknown modifiers",
    "FHIR-9": "kinds of Bundle",
    "FHIR-10": "one subject a Bundle",
    "FHIR-11": "write-back by transaction",
    "FHIR-12": "application/fhir+json",
    "FHIR-13": "OperationOutcome with the code of the error",
    "FHIR-14": "CapabilityStatement",
    "FHIR-15": "Provenance",
    "FHIR-16": "data-absent reasons",
    "FHIR-17": "bulk export, as a client",
    "UNIT-1": "the table of conversions",
    "UNIT-2": "the unit governs; contradictions are flagged",
    "UNIT-3": "the traps of the table",
    "UNIT-4": "aliases before UCUM",
    "UNIT-5": "LOINC check digits",
    "AUTH-1": "TLS 1.2 or newer, certificates verified",
    "AUTH-2": "signing as a client",
    "AUTH-3": "one key by id and type; jku as registered",
    "AUTH-4": "tokens go to their own server only",
    "AUTH-5": "JWT access tokens",
    "AUTH-6": "the cache of key sets",
    "AUTH-7": "RFC 6750 answers; a patient's token is for that patient",
    "AUTH-8": "certificate-bound tokens",
    "AUTH-9": "API keys",
    "AUTH-10": "reviewers by OIDC",
    "API-1": "another client's records are not there",
    "API-2": "lockout on login",
    "API-3": "unknown fields are refused",
    "API-4": "limits, with 408, 413 and 429",
    "API-5": "no route without a scope",
    "API-6": "bulk scoring has a scope of its own",
    "API-7": "outbound hosts",
    "API-8": "no stack traces, security headers",
    "API-10": "EHR data are checked like any input; TLS is verified",
}
WAITS = {
    "FHIR-17": "on purpose: requests come from the EHR",
    "AUTH-2": "on purpose: Auscult is no OAuth client; it uses the token that it's given",
    "AUTH-8": "on purpose: mutual TLS ends at the proxy",
    "AUTH-10": "on purpose: the console has accounts of its own with a second factor",
}
LIMITS = """
## What holds with a limit

- **AUTH-5**: opaque tokens of one issuer: nothing tells whose an opaque token is, and to ask
  several would show one issuer's tokens to another (AUTH-4).
- **CDS-9**, **API-7**: a private address may be asked only if the host stands in
  `AUSCULT_OUTBOUND_PRIVATE_HOSTS`, since most hospitals' FHIR servers have one.
- **FHIR-11**: the transaction is returned to the caller, who posts it: Auscult writes to no server.
- **CDS-13**: that there was a comment is kept, not its text, which may name the patient.
- **FHIR-4**: features are read from the Patient and from Observations, a diagnosis or a stay too,
  under a code of the definition; a Bundle's Conditions, Encounters and the rest are left unread.
- **API-4**: the limits of clients are each worker's share and live in memory; a restart begins
  anew.
"""


@dataclass(frozen=True)
class Citation:
    """A test that names a requirement."""

    test: str
    file: str


def citations() -> dict[str, list[Citation]]:
    """Return the tests that hold each requirement."""
    found: dict[str, list[Citation]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, text in _tests(path.read_text()):
            for one in dict.fromkeys(_ids(text)):
                file = path.relative_to(ROOT).as_posix()
                found.setdefault(one, []).append(Citation(name, file))
    return found


def render() -> str:
    """Return the page."""
    found = citations()
    held = [one for one in TITLES if one in found]
    parts = [
        "# Conformance\n\n"
        "Which of the numbered requirements hold, and by which tests. This page is written from\n"
        "them (`python -m tests.serving.conformance`), and a test compares the two.\n\n"
        f"{len(held)} of {len(TITLES)} hold, {len(WAITS)} wait.\n"
    ]
    for prefix, section in SECTIONS.items():
        parts.append(f"\n## {section}\n\n| requirement | what | held by |\n| --- | --- | --- |\n")
        for one, title in TITLES.items():
            if one.startswith(f"{prefix}-"):
                parts.append(f"| {one} | {title} | {_holders(one, found)} |\n")
    return "".join(parts) + LIMITS


def _holders(one: str, found: dict[str, list[Citation]]) -> str:
    if one in WAITS:
        return f"**waits**: {WAITS[one]}"
    words = [f"`{held.test}`".replace("test_", "", 1).replace("_", " ") for held in found[one]]
    return "; ".join(words)


def _tests(source: str) -> Iterator[tuple[str, str]]:
    """Yield each test with its text and the comments just above it."""
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1
            while first > 0 and lines[first - 1].startswith("#"):
                first -= 1
            yield node.name, "\n".join(lines[first : node.end_lineno])


def _ids(text: str) -> Iterator[str]:
    for prefix, first, last in _ID.findall(text):
        for number in range(int(first), int(last or first) + 1):
            yield f"{prefix}-{number}"


if __name__ == "__main__":
    PAGE.write_text(render())
