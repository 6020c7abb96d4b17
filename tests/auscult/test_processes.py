import fcntl
import sys
from pathlib import Path

import pytest

from auscult.processes import Server, ServerFailed, free_port
from records.locks import locked


def test_a_second_service_of_a_home_is_refused_before_it_empties_the_first_ones_metrics(
    tmp_path: Path,
) -> None:
    started = tmp_path / "started"
    address = f"http://127.0.0.1:{free_port(20_000)}"
    program = (sys.executable, "-c", f"open({str(started)!r}, 'w')")
    server = Server("serving", program, address, address, alone=tmp_path / "serving.lock")

    with locked(tmp_path / "serving.lock", fcntl.LOCK_EX), pytest.raises(ServerFailed) as told:
        server.run()

    assert "would empty its metrics" in str(told.value)
    assert not started.exists()
    assert server.run() == 0
    assert started.exists()
