"""Every setting of Auscult, typed, read once at the edges; a wrong value stops the start."""

import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.errors import SettingsError
from models.misfit import faults_in_words, nearest

PREFIX = "AUSCULT_"
Url = str
_ADDRESS = re.compile(r"[^\s@,;:<>]+@[^\s@,;:<>]+")

# what the project's own tests read beside the settings
_OF_TESTS = (f"{PREFIX}TEST_", f"{PREFIX}REQUIRE_")


class Settings(BaseSettings):
    """Settings from `AUSCULT_*` environment variables; all paths default into the home."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    home: Path = Path(".auscult")
    models: Annotated[tuple[Path, ...], NoDecode] = ()
    data_dir: Path | None = None
    artefacts: Path | None = None
    database_url: Url | None = None
    migrate_url: Url | None = None
    mlflow_tracking_uri: str | None = None
    mlflow_url: Url | None = None
    evidently_url: Url | None = None
    console_url: Url | None = None
    pseudonym_key_file: Path | None = None
    signing_key_file: Path | None = None
    console_secret_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=3000, gt=0, lt=65536)
    console_port: int = Field(default=8400, gt=0, lt=65536)
    workers: int = Field(default=1, ge=1, le=64)
    write_queue: int = Field(default=4096, ge=1, description="records waiting, at most")
    table_budget_mb: int = Field(default=64, ge=1, description="memory of a model's tables")
    max_body_bytes: int = Field(default=8_000_000, ge=1024)
    issuers_file: Path | None = None
    public_url: Url | None = None
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    outbound_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    outbound_private_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    outbound_ca_file: Path | None = None
    webhook_url: Url | None = None
    webhook_secret_file: Path | None = None
    smtp_url: Url | None = None
    smtp_password_file: Path | None = None
    mail_from: str | None = None
    mail_to: Annotated[tuple[str, ...], NoDecode] = ()
    requests_per_second: float = Field(default=5000, gt=0, description="of one client")
    requests_at_once: int = Field(default=512, ge=1, description="of one client")
    explanations_per_day: int = Field(default=5_000_000, ge=1, description="of one client")
    readback_deadline_s: float = Field(default=0.4, gt=0, le=5)
    request_timeout_s: float = Field(default=5.0, gt=0)
    body_timeout_s: float = Field(default=10.0, gt=0)
    trainer_may_promote: bool = Field(default=False, description="a version of their own")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("database_url", "migrate_url")
    @classmethod
    def _is_a_known_database(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return value

    @field_validator("models", mode="before")
    @classmethod
    def _is_a_list_of_directories(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(part) for part in value.split(":") if part)
        return value

    @field_validator(
        "cors_origins", "outbound_hosts", "outbound_private_hosts", "mail_to", mode="before"
    )
    @classmethod
    def _is_a_list_of_words(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            scheme, _, host = origin.partition("://")
            if scheme not in ("http", "https") or not host or set(host) & set("*/?#@ "):
                raise ValueError(
                    f"{origin!r} is no origin; write https://host or https://host:port"
                )
        return origins

    @field_validator("mail_to")
    @classmethod
    def _are_addresses(cls, recipients: tuple[str, ...]) -> tuple[str, ...]:
        for one in recipients:
            if not _ADDRESS.fullmatch(one):
                raise ValueError(
                    f"{one!r} is no address; write name@host, and spaces between several"
                )
        return recipients

    @cached_property
    def root(self) -> Path:
        """The home directory, absolute."""
        return self.home.expanduser().resolve()

    @cached_property
    def database(self) -> Url:
        """The database's URL: SQLite in the home unless another is named."""
        return self.database_url or f"sqlite:///{self.root / 'records.db'}"

    @cached_property
    def tracking_uri(self) -> str:
        """MLflow's tracking and registry store: SQLite in the home unless another is named."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.root / 'mlflow.db'}"

    @cached_property
    def mlflow_artifacts(self) -> Path:
        """Where MLflow keeps artefacts."""
        return self.root / "mlartifacts"

    @cached_property
    def bentoml_home(self) -> Path:
        """BentoML's store of Bentos and models."""
        return self.root / "bentoml"

    @cached_property
    def evidently_workspace(self) -> Path:
        """The Evidently workspace."""
        return self.root / "evidently"

    @cached_property
    def reports(self) -> Path:
        """Where the monitoring job leaves the reports that the console shows."""
        return self.root / "reports"

    @cached_property
    def outbox(self) -> Path:
        """Where notifications wait until they are delivered."""
        return self.root / "outbox"

    @cached_property
    def cache(self) -> Path:
        """Downloaded data and compiled kernels."""
        return self.root / "cache"

    @cached_property
    def keys(self) -> Path:
        """The directory of keys, mode 0700."""
        return self.root / "keys"

    @cached_property
    def heads(self) -> Path:
        """Where signed heads of the audit chain are kept."""
        return self.root / "heads"

    @cached_property
    def pseudonym_key(self) -> Path:
        """The file of the key from which pseudonyms are made."""
        return self.pseudonym_key_file or self.keys / "pseudonym.key"

    @cached_property
    def signing_key(self) -> Path:
        """The file of the key that signs heads of the audit chain."""
        return self.signing_key_file or self.keys / "signing.key"

    @cached_property
    def console_secret(self) -> Path:
        """The file of the console's own secret."""
        return self.console_secret_file or self.keys / "console.key"


def read_settings() -> Settings:
    """Read the settings from the environment; raise SettingsError that names each wrong one.

    A home that is there must be readable.
    """
    _check_names(os.environ)
    try:
        settings = Settings()
    except ValidationError as error:
        faults = faults_in_words(
            error,
            lambda loc: f"{PREFIX}{'_'.join(map(str, loc)).upper()}",
            is_secret=lambda name: name.endswith("_URL"),
        )
        raise SettingsError(f"settings: {faults}") from error
    check_home(settings.root, os.R_OK | os.X_OK, "can't be read")
    return settings


def check_home(directory: Path, needed: int, words: str) -> None:
    """Raise SettingsError where the home or a part of it is there and not open to this user.

    `needed` is as in `os.access`; `words` say what isn't possible.
    """
    if os.path.lexists(directory) and not os.access(directory, needed):
        raise SettingsError(
            f"AUSCULT_HOME: {directory} {words} by this user; give it to them, or name another home"
        )


def _check_names(environment: Iterable[str]) -> None:
    """Raise SettingsError for what looks like a setting and is none: it would do nothing."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    unknown = sorted(
        name
        for name in environment
        if name.startswith(PREFIX) and name not in known and not name.startswith(_OF_TESTS)
    )
    if unknown:
        faults = "; ".join(
            f"{name} is no setting{nearest(name, known, prefix=PREFIX)}" for name in unknown
        )
        raise SettingsError(
            f"settings: {faults}; correct or unset it, docs/operate.md lists all settings"
        )
