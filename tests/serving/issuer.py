"""A token issuer with real keys: a key set served by https, and tokens of every fault."""

import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.jwk import ECKey

from tests.factories import NOW

PUBLIC = "https://auscult.example.org"


def sign(key: Any, claims: dict[str, Any], *, alg: str = "ES384", **header: Any) -> str:
    """A token of these claims and this header, where a member that is None is left out."""
    whole = {"alg": alg, "kid": key.kid, "typ": "JWT", **header}
    protected = {name: value for name, value in whole.items() if value is not None}
    body = json.dumps({name: value for name, value in claims.items() if value is not None})
    return jws.serialize_compact(protected, body.encode(), key, algorithms=[alg])


def seconds(at: datetime = NOW, **more: float) -> int:
    """A time as tokens write it."""
    return int((at + timedelta(**more)).timestamp())


def cds_claims(path: str, **changed: Any) -> dict[str, Any]:
    """The claims of a good CDS Hooks client's token."""
    return {
        "iss": "https://ehr.example.org",
        "aud": PUBLIC + path,
        "iat": seconds(),
        "exp": seconds(minutes=5),
        "jti": uuid4().hex,
        **changed,
    }


def access_claims(scope: str, **changed: Any) -> dict[str, Any]:
    """The claims of a good access token."""
    return {
        "iss": "https://login.example.org",
        "aud": f"{PUBLIC}/fhir",
        "client_id": "ward-app",
        "iat": seconds(),
        "exp": seconds(minutes=5),
        "jti": uuid4().hex,
        "scope": scope,
        **changed,
    }


@dataclass
class KeyServer:
    """Serves a key set by https; counts how often it is asked."""

    keys: list[Any] = field(default_factory=list)
    cache_control: str = "max-age=60"
    broken: bool = False
    asked: int = 0
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    credentials: list[str] = field(default_factory=list)
    url: str = ""
    host: str = ""
    ca_file: Path = Path()


@contextmanager
def key_server(directory: Path) -> Iterator[KeyServer]:
    """Run a key server on loopback, with a certificate made for it."""
    served = KeyServer(ca_file=directory / "ca.pem")
    key_file = directory / "tls.key"
    _certify(served.ca_file, key_file)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked += 1
            body = json.dumps({"keys": [key.as_dict(private=False) for key in served.keys]})
            self.send_response(500 if served.broken else 200)
            self.send_header("cache-control", served.cache_control)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def do_POST(self) -> None:
            served.asked += 1
            served.credentials.append(self.headers.get("authorization", ""))
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            known = served.tokens.get(form["token"][0], {"active": False})
            body = json.dumps(known)
            self.send_response(500 if served.broken else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            """Keep the tests' output free of requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served.ca_file, key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    served.host = f"127.0.0.1:{server.server_port}"
    served.url = f"https://{served.host}/jwks.json"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ec_key(kid: str) -> ECKey:
    """A key for ES384."""
    return ECKey.generate_key("P-384", {"kid": kid})


def _certify(certificate: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, plain))
