"""The interval of a share."""

import math

Z95 = 1.959964
Interval = tuple[float, float, float]


def wilson(events: float, rows: float) -> Interval:
    """Return a share with its 95 % interval (Wilson, JASA 1927;22:209).

    >>> [round(one, 3) for one in wilson(1, 10)]
    [0.1, 0.018, 0.404]
    """
    share, spread = events / rows, Z95**2 / rows
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) / rows + spread / (4 * rows)) * Z95 / (1 + spread)
    return share, max(0.0, centre - half), min(1.0, centre + half)
