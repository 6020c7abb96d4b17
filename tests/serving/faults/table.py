"""Writes docs/faults.md from the faults, whose outcomes the tests hold."""

from pathlib import Path

from tests.serving.faults.catalogue import FAULTS
from tests.serving.faults.requests import ADDRESSES

PAGE = Path(__file__).parents[3] / "docs" / "faults.md"
INTRODUCTION = """# What becomes of faults

One good request with one fault at a time, sent by tests to a real service in every protocol in
which the fault can occur. This page is written from those tests
(`python -m tests.serving.faults.table`), and one of them compares the two.

- **unchanged**: the risk is that of the good request; the fault can't change it.
- **converted**: so too, within 1e-4, and the answer says what was converted.
- **flagged**: the risk is computed, and answer, card and record say what is doubtful.
- **excluded**: so too, and they name the value beside the good one that was left out.
- **missing**: the risk is computed without that feature, and answer, card and record name it.
- **refused**: no risk. JSON and FHIR answer 422 (or 400) with the reason; CDS Hooks shows a card
  "Risk not calculated: ... This does not mean low risk. Do: ...". The refusal is recorded with
  its reason, and counted.
- **status**: no risk; the call itself is refused with that status.

"""


def render() -> str:
    """Return the page."""
    parts = [INTRODUCTION + f"{len(FAULTS)} faults, "]
    parts.append(f"{sum(len(fault.outcomes) for fault in FAULTS)} requests.\n")
    for group in dict.fromkeys(fault.group for fault in FAULTS):
        parts.append(f"\n## {group.capitalize()}\n\n| fault | JSON | FHIR | CDS Hooks |\n")
        parts.append("| --- | --- | --- | --- |\n")
        for fault in FAULTS:
            if fault.group == group:
                cells = [fault.outcomes.get(protocol, "-") for protocol in ADDRESSES]
                parts.append(f"| {fault.name} | {' | '.join(cells)} |\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render())
