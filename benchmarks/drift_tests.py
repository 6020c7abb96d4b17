"""What plain tests and Evidently's defaults do on days in which nothing changes."""

import numpy as np
from scipy.stats import ks_2samp

from benchmarks.drifts import NUMERIC
from benchmarks.markdown import table
from monitoring.evidence.detector import DAYS_A_YEAR


def peers_table(years: int, evidently_days: int) -> str:
    """Return what plain tests do on days in which nothing changes."""
    rng = np.random.default_rng(5)
    flagged = {0.05: 0, 0.05 / NUMERIC: 0}
    for _ in range(years * NUMERIC):
        reference = rng.normal(size=1_000)
        for _ in range(DAYS_A_YEAR):
            p = ks_2samp(reference, rng.normal(size=100)).pvalue
            for level in flagged:
                flagged[level] += p < level
    rows = [
        ("Kolmogorov-Smirnov, p < 0.05", f"{flagged[0.05] / years:.0f}"),
        ("the same, divided by the streams", f"{flagged[0.05 / NUMERIC] / years:.0f}"),
    ]
    if evidently_days:
        a_day = evidently_flags(evidently_days)
        name = f"Evidently's DataDriftPreset ({evidently_days} days measured)"
        rows.append((name, f"{a_day * DAYS_A_YEAR:.0f}"))
    said = (
        f"The same quiet days under a test a day, {NUMERIC} numeric streams, 100 rows a day "
        "against 1,000 reference rows:"
    )
    return f"{said}\n\n{table(('test', 'alarms a model-year'), rows)}"


def evidently_flags(days: int) -> float:
    """Return how many columns Evidently's defaults call drifted on a quiet day."""
    import warnings

    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import Report
        from evidently.presets import DataDriftPreset

        rng, flagged = np.random.default_rng(6), 0.0
        names = [f"x{number}" for number in range(NUMERIC)]
        reference = pd.DataFrame(rng.normal(size=(1_000, NUMERIC)), columns=names)
        for _ in range(days):
            today = pd.DataFrame(rng.normal(size=(100, NUMERIC)), columns=names)
            found = Report([DataDriftPreset()]).run(today, reference).dict()["metrics"]
            flagged += next(
                m["value"]["count"] for m in found if "DriftedColumns" in m["metric_name"]
            )
    return flagged / days
