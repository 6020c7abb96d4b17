"""Results of long simulations, kept a line each so that a run that was cut off goes on."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Kept:
    """Numbers by key in a file of JSON lines; those that other code gave are computed anew.

    Without a path nothing is kept. `sources` are the globs, from the repository's root, of the
    code on which the numbers depend.
    """

    def __init__(self, path: Path | None, sources: Sequence[str]) -> None:
        self.path = path
        self.code = _digest(sources)
        self.found: dict[str, int] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                if row["code"] == self.code:
                    self.found[row["key"]] = row["value"]

    def get(self, key: str, compute: Callable[[], int]) -> int:
        """Return the number of a key, computed and kept if it isn't there."""
        if key not in self.found:
            self.found[key] = compute()
            if self.path is not None:
                row = {"code": self.code, "key": key, "value": self.found[key]}
                with self.path.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(row) + "\n")
        return self.found[key]


def _digest(sources: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for pattern in sources:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
