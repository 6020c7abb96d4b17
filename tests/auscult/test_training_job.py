from auscult.database import now
from auscult.training_job import take_up_request, waiting_request
from records import retraining
from records.retraining import Cause
from records.settings import Settings


def test_a_retrained_version_is_written_beside_the_request_that_waits(sqlite_db: Settings) -> None:
    assert waiting_request("sepsis") is None
    request = retraining.open_request("sepsis", "1", [Cause("age 1", "Too old")], now())
    assert request is not None
    retraining.sign(
        request.pk,
        "retrain",
        by="rita",
        statement="Nobody was shown these risks",
        treatment={},
        now=now(),
    )
    waiting = waiting_request("sepsis")
    assert waiting is not None
    assert waiting.by == "rita"
    take_up_request(waiting, "3")
    (found,) = retraining.history("sepsis")
    assert found.result == "Registered as version 3; not promoted"
    assert found.taken_up_at is not None
