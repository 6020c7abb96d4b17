"""The page that shows the operations with their scopes and examples, without any script."""

import json
from html import escape
from typing import Any

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Auscult: operations</title></head>
<body>
<h1>Auscult: operations</h1>
<p>Every call needs <code>Authorization: Bearer KEY</code>, unless it says that anybody may make
it. The same as OpenAPI: <code>/openapi.json</code>.</p>
{operations}
</body>
</html>
"""


def page(schema: dict[str, Any]) -> bytes:
    """Return an OpenAPI description as a page of HTML."""
    operations = "\n".join(
        _operation(method, path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    )
    return _PAGE.format(operations=operations).encode("utf-8")


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    scopes = [scope for one in operation["security"] for given in one.values() for scope in given]
    who = f"scope {' or '.join(scopes)}" if scopes else "anybody"
    parts = [
        f"<h2>{method.upper()} {escape(path)}</h2>",
        f"<p>{escape(operation['summary'])} ({escape(who)})</p>",
        f"<p>{escape(operation.get('description', ''))}</p>",
    ]
    content = operation.get("requestBody", {}).get("content", {})
    for media_type, body in content.items():
        example = json.dumps(body["example"], indent=2, ensure_ascii=False)
        parts.append(f"<p>Example, {escape(media_type)}:</p>\n<pre>{escape(example)}</pre>")
    return "\n".join(parts)
