"""Where a model's risk is shown as CDS Hooks cards, and what to do where there is no risk."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Hook = Literal["patient-view", "encounter-discharge", "order-sign"]
ServiceId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,62}$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class OverrideReason(BaseModel):
    """A reason that a clinician may pick for not following a card."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: Text
    code: Text
    display: Text


class CdsHooks(BaseModel):
    """The service of a model: at which hooks it's called, and from which band a card is shown.

    Below the band `card_from` there is a card only where something is missing. `fallback` says
    what to do without a risk; `no_score = "error"` answers with an error status in the place of
    the card that says so. With `prefetch_encounter` the Encounter in view is asked for too, whose
    ward is recorded; it's never read back.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: ServiceId
    hooks: tuple[Hook, ...] = Field(min_length=1)
    card_from: Text
    fallback: Text
    no_score: Literal["card", "error"] = "card"
    prefetch_encounter: bool = False
    override_reasons: tuple[OverrideReason, ...] = ()

    def offered(self, system: str, code: str) -> OverrideReason | None:
        """Return the reason of the cards that a report names, without its system or by it."""
        reasons = self.override_reasons
        return next(
            (one for one in reasons if one.code == code and system in ("", one.system)), None
        )
