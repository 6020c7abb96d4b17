"""Clients' keys and console users by command."""

import re
import sqlite3

from tests.auscult.test_command import run


def test_a_key_is_listed_without_its_secret_and_stops_working_once_revoked(tmp_path):
    home = tmp_path / "home"
    run("init", home=home)
    shown = run("client", "create", "laboratory", "--scope", "predict", home=home).stdout
    key_id, secret = re.search(r"auk_([0-9a-f]{16})_(\S+)", shown).groups()
    listed = run("client", "list", home=home).stdout
    assert secret not in listed
    assert re.search(rf"{key_id}\s+laboratory\s+predict\s+\S+\s+live", listed)
    revoked = run("client", "revoke", key_id, home=home)
    assert revoked.returncode == 0
    assert "within two seconds" in revoked.stdout
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


def test_a_users_role_and_retirement_are_listed_and_the_chain_agrees(tmp_path):
    home = tmp_path / "home"
    run("init", home=home)
    run("user", "create", "vera", home=home)
    assert run("user", "role", "vera", "safety officer", home=home).returncode == 0
    assert run("user", "retire", "reviewer", home=home).returncode == 0
    listed = run("user", "list", home=home).stdout
    assert re.search(r"vera\s+safety officer\s+no\s+never\s+may log in", listed)
    assert re.search(r"reviewer\s+reviewer\s+no\s+never\s+retired", listed)
    twice = run("user", "retire", "reviewer", home=home)
    assert twice.returncode == 1
    assert "was retired already" in twice.stderr
    assert run("user", "reinstate", "reviewer", home=home).returncode == 0
    without = run("user", "remove-second-factor", "vera", home=home)
    assert without.returncode == 1
    assert "no second factor" in without.stderr
    assert run("audit", "verify", home=home).returncode == 0


def test_a_role_that_was_given_past_the_commands_is_found_by_verify(tmp_path):
    home = tmp_path / "home"
    run("init", home=home)
    with sqlite3.connect(home / "records.db") as database:
        database.execute(
            "UPDATE auth_user_groups SET group_id ="
            " (SELECT id FROM auth_group WHERE name = 'safety officer')"
        )
    found = run("audit", "verify", home=home)
    assert found.returncode == 4
    assert "a console user was changed or inserted: reviewer, safety officer" in found.stdout


def test_what_the_chain_says_nothing_of_is_not_verified_in_silence(tmp_path):
    home = tmp_path / "home"
    run("init", home=home)
    assert "Not covered" not in run("audit", "verify", home=home).stdout
    with sqlite3.connect(home / "records.db") as database:
        database.execute(
            "INSERT INTO records_monitorrun"
            " (model, version, started_at, finished_at, predictions, report, summary)"
            " VALUES ('sepsis', '1', '2026-01-01 00:00', '2026-01-01 00:01', 0, '', '{}')"
        )
    found = run("audit", "verify", home=home)
    assert found.returncode == 0
    assert "Not covered by the chain: monitoring runs: none has been noted" in found.stdout


def test_migrating_again_makes_no_changed_account_a_known_one(tmp_path):
    home = tmp_path / "home"
    run("init", home=home)
    with sqlite3.connect(home / "records.db") as database:
        database.execute("UPDATE auth_user SET is_superuser = 1")
    assert run("migrate", home=home).returncode == 0
    found = run("audit", "verify", home=home)
    assert found.returncode == 4
    assert "reviewer, reviewer, superuser" in found.stdout
