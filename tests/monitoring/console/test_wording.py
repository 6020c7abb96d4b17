"""How figures are worded on the pages."""

import pytest

from monitoring.console.wording import day_words, unbroken


def test_figures_and_days_stay_on_one_line() -> None:
    text = "x & y is missing in 91 % (4.7 to 9.1 %), −0.32 SD, since 2026-04-06"
    assert str(unbroken(text)) == (
        'x &amp; y is missing in <span class="whole">91 %</span> (4.7 to '
        '<span class="whole">9.1 %</span>), <span class="whole">−0.32 SD</span>, since '
        '<span class="whole">2026-04-06</span>'
    )


def test_markup_in_a_name_stays_text() -> None:
    assert str(unbroken("<b>lab</b>")) == "&lt;b&gt;lab&lt;/b&gt;"


@pytest.mark.parametrize(
    ("day", "words"), [("2026-04-06", "6 Apr 2026"), ("2024-12-31", "31 Dec 2024")]
)
def test_a_day_is_worded_as_the_pages_do(day: str, words: str) -> None:
    assert day_words(day) == words
