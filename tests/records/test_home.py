from pathlib import Path

import pytest

from models.errors import SettingsError
from records.heads import read_signing_key
from records.home import init_home
from records.settings import Settings


def test_a_home_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    result = init_home(Settings(home=tmp_path / "home"))
    assert all(path.stat().st_mode & 0o777 == 0o700 for path in result.directories)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in result.made)
    assert {path.name for path in result.made} == {"pseudonym.key", "signing.key", "console.key"}


def test_a_second_init_keeps_every_key(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    first = init_home(settings)
    keys = [path.read_bytes() for path in first.made]
    second = init_home(settings)
    assert (second.made, second.kept) == ((), first.made)
    assert [path.read_bytes() for path in first.made] == keys


def test_a_lost_key_alone_is_made_anew(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    init_home(settings)
    settings.signing_key.unlink()
    assert init_home(settings).made == (settings.signing_key,)
    read_signing_key(settings.signing_key)


def test_a_home_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    init_home(Settings(home=home))
    assert home.stat().st_mode & 0o077 == 0


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    init_home(settings)
    settings.pseudonym_key.chmod(0o644)
    with pytest.raises(SettingsError, match=r"pseudonym\.key: mode 644"):
        init_home(settings)


def test_a_home_that_is_a_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(SettingsError, match=r"AUSCULT_HOME: .*home"):
        init_home(Settings(home=tmp_path / "home"))
