from tests.serving.conformance import PAGE, TITLES, WAITS, citations, render


def test_every_requirement_is_held_by_a_test_or_waits_for_a_reason():
    held = {one for one in citations() if not one.startswith("ML-")}
    assert held | set(WAITS) == set(TITLES)
    assert not held & set(WAITS)


def test_the_page_of_conformance_is_made_from_the_tests():
    assert PAGE.read_text() == render(), "run: python -m tests.serving.conformance"
