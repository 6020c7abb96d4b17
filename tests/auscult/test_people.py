"""Clients' keys and console users by command."""

import re

from tests.auscult.test_command import run


def test_a_key_is_listed_without_its_secret_and_stops_working_once_revoked(tmp_path):
    home = tmp_path / "home"
    run("init", home=home)
    shown = run("client", "create", "laboratory", "--scope", "predict", home=home).stdout
    key_id, secret = re.search(r"auk_([0-9a-f]{16})_(\S+)", shown).groups()
    listed = run("client", "list", home=home).stdout
    assert secret not in listed
    assert re.search(rf"{key_id}\s+laboratory\s+predict\s+\S+\s+live", listed)
    assert run("client", "revoke", key_id, home=home).returncode == 0
    assert re.search(rf"{key_id}.*revoked", run("client", "list", home=home).stdout)
    again = run("client", "revoke", key_id, home=home)
    assert again.returncode == 1
    assert key_id in again.stderr


def test_a_lost_password_is_renewed_and_an_unknown_user_is_refused(tmp_path):
    home = tmp_path / "home"
    first = re.search(r"reviewer\s+(\S+)", run("init", home=home).stdout)[1]
    shown = run("user", "renew-password", "reviewer", home=home).stdout
    assert re.search(r"reviewer\s+(\S+)", shown)[1] != first
    unknown = run("user", "renew-password", "nobody", home=home)
    assert unknown.returncode == 1
    assert "nobody" in unknown.stderr
