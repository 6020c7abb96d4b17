from auscult.database import now
from auscult.training_job import take_up_request
from records import retraining
from records.retraining import Cause
from records.settings import Settings


def test_a_retrained_version_is_written_beside_the_request_that_waits(sqlite_db: Settings) -> None:
    take_up_request("sepsis", "2")  # nothing waits
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
    take_up_request("sepsis", "3")
    (found,) = retraining.history("sepsis")
    assert found.result == "Registered as version 3; not promoted"
    assert found.taken_up_at is not None
