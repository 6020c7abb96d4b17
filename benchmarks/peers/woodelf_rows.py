"""woodelf's way, path-dependent: BOOSTER ROWS REPEATS; prints microseconds of CPU a row.

Behind it the largest difference from XGBoost's own contributions, over the first rows.
"""

import sys
import time
from statistics import median

import numpy as np
import pandas as pd
import xgboost
from woodelf import WoodelfExplainer

_COMPARED = 1000


def main(booster_file: str, rows_file: str, repeats: str) -> None:
    """Explain all rows as often as is wanted, after a warm-up."""
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(booster_file)
    rows = np.load(rows_file)
    names = [f"f{i}" for i in range(rows.shape[1])]
    booster.feature_names = names
    table = pd.DataFrame(rows, columns=names)
    explainer = WoodelfExplainer(booster)
    found = np.asarray(explainer.shap_values(table[:_COMPARED]))
    matrix = xgboost.DMatrix(rows[:_COMPARED], feature_names=names)
    wanted = booster.predict(matrix, pred_contribs=True)[:, :-1]
    times = []
    for _ in range(int(repeats)):
        began = time.process_time()
        explainer.shap_values(table)
        times.append(time.process_time() - began)
    print(1e6 * median(times) / len(rows), np.abs(found - wanted).max())


if __name__ == "__main__":
    main(*sys.argv[1:])
