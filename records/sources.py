"""Which of a prediction's sources a report means, on which server."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import orjson

from models.fhir_names import VERSION, server_and_resource

# up to so many sources it's quicker to look for each in the text than to read the list
FEW: Final = 30
PLAIN: Final = re.compile(r"[A-Za-z0-9.:/_\-]+")


@dataclass(slots=True)
class Use:
    """How many predictions used a source, and how many of those are known by its id only.

    That is so where the report or the prediction states no server. `servers` are those that
    predictions state.
    """

    predictions: int = 0
    by_id_only: int = 0
    servers: set[str] = field(default_factory=set)

    def add(self, source: str, server: str) -> None:
        """Count a prediction that names the source on a server, or on none that it states."""
        self.predictions += 1
        if not server or not server_and_resource(source)[0]:
            self.by_id_only += 1
        if server:
            self.servers.add(server)


class Sources:
    """The sources that reports name, to be found among those of predictions."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_resource: dict[str, list[tuple[str, str]]] = {}
        for name in names:
            server, resource = server_and_resource(name)
            self._by_resource.setdefault(resource, []).append((name, server))
        # what JSON may write in more than one way can't be looked for in its text
        plain = all(PLAIN.fullmatch(one) for one in self._by_resource)
        self._marks = list(self._by_resource) if plain and len(self._by_resource) <= FEW else None

    def in_json(self, *texts: str) -> dict[str, str]:
        """Return as `among` does for JSON lists, which are only read where they can hold one."""
        marks = self._marks
        if marks is not None and not any(mark in text for text in texts for mark in marks):
            return {}
        return self.among(name for text in texts for name in orjson.loads(text))

    def among(self, named: Iterable[str]) -> dict[str, str]:
        """Return the wanted sources that a prediction may have used, with the server it states.

        A source without a version stands for all of its versions. Servers are compared where both
        state theirs.
        """
        found: dict[str, str] = {}
        for one in named:
            server, resource = server_and_resource(one)
            plain, version, _ = resource.partition(VERSION)
            for name in (resource, plain) if version else (plain,):
                for wanted, of_server in self._by_resource.get(name, ()):
                    if server == of_server or not server or not of_server:
                        found[wanted] = server
        return found
