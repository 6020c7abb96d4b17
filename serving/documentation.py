"""The page that shows the operations with their scopes and examples, without any script."""

import json
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any, Final

from serving.message import NOTHING

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem;
  color: #1b1f24; background: #fff; }
h2 { font-size: 1.1rem; margin: 2rem 0 0; border-top: 1px solid #d5dae0; padding-top: 1rem; }
h2, code, li { overflow-wrap: anywhere; }
p { margin: .25rem 0; }
pre { background: #f3f5f7; overflow-x: auto; padding: .75rem; font-size: .85rem; }
ul { columns: 2 20rem; padding-left: 1.2rem; }
summary { cursor: pointer; }
.scope { color: #4a5560; }
"""
POLICY: Final = (
    NOTHING
    + b"; img-src data:; style-src 'sha256-"
    + b64encode(sha256(_STYLE.encode()).digest())
    + b"'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Auscult: operations</title>
<style>{style}</style>
</head>
<body>
<h1>Auscult: operations</h1>
<p>Every call needs <code>Authorization: Bearer KEY</code>, unless it says that anybody may make
it. The same as OpenAPI: <a href="/openapi.json">/openapi.json</a>.</p>
<ul>
{names}
</ul>
{operations}
</body>
</html>
"""


def page(schema: dict[str, Any]) -> bytes:
    """Return an OpenAPI description as a page of HTML, to be sent with POLICY."""
    found = [
        (method, path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    names = "\n".join(
        f'<li><a href="#{_anchor(operation)}">{method.upper()} {escape(path)}</a></li>'
        for method, path, operation in found
    )
    operations = "\n".join(_operation(*one) for one in found)
    return _PAGE.format(style=_STYLE, names=names, operations=operations).encode("utf-8")


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    scopes = [scope for one in operation["security"] for given in one.values() for scope in given]
    who = f"scope {' or '.join(scopes)}" if scopes else "anybody"
    parts = [
        f'<h2 id="{_anchor(operation)}">{method.upper()} {escape(path)}</h2>',
        f'<p>{escape(operation["summary"])} <span class="scope">({escape(who)})</span></p>',
        f"<p>{escape(operation.get('description', ''))}</p>",
    ]
    content = operation.get("requestBody", {}).get("content", {})
    for media_type, body in content.items():
        example = json.dumps(body["example"], indent=2, ensure_ascii=False)
        parts.append(
            f"<details><summary>Example, {escape(media_type)}</summary>\n"
            f"<pre>{escape(example)}</pre></details>"
        )
    return "\n".join(parts)


def _anchor(operation: dict[str, Any]) -> str:
    return escape(str(operation["operationId"]))
