import struct

import pytest

from models.catalogue import find_definition
from training.plots import importance_drawing


@pytest.mark.parametrize("name", ["readmission_30d", "hospital_mortality", "mortality_5y"])
def test_the_picture_of_importance_has_room_for_every_title_of_a_shipped_model(name: str) -> None:
    features = find_definition(name, []).definition.features
    sizes = {feature.title: place / 10 for place, feature in enumerate(features)}

    drawn = importance_drawing(sizes)  # matplotlib's warning of axes without room is an error here

    assert list(drawn.numbers) == list(reversed(sizes))
    assert _height(drawn.png) >= 15 * len(features)


def test_titles_of_any_length_leave_room_for_the_bars() -> None:
    drawn = importance_drawing({"A feature of many words " * 12 + str(n): 1.0 for n in range(40)})

    assert _height(drawn.png) >= 15 * 40 * 5


def _height(png: bytes) -> int:
    """Return a picture's height in pixels, from its header."""
    return int(struct.unpack(">I", png[20:24])[0])
