"""ONNX Runtime's way, a score only: BOOSTER ROWS REPEATS; prints microseconds of CPU a row.

Behind it the largest difference from XGBoost's own probabilities.
"""

import sys
import time
from statistics import median

import numpy as np
import onnxruntime
import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

LEAST_SECONDS = 0.05


def main(booster_file: str, rows_file: str, repeats: str) -> None:
    """Score all rows as often as is wanted, after a warm-up."""
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(booster_file)
    rows = np.load(rows_file).astype(np.float32)
    classifier = xgboost.XGBClassifier()
    classifier.load_model(booster_file)
    types = [("rows", FloatTensorType([None, rows.shape[1]]))]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    model = convert_xgboost(classifier, initial_types=types).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"rows": rows})
    wanted = booster.inplace_predict(rows)
    times = []
    for _ in range(int(repeats)):
        began, calls = time.process_time(), 0
        while time.process_time() < began + LEAST_SECONDS:
            session.run(["probabilities"], {"rows": rows})
            calls += 1
        times.append((time.process_time() - began) / calls)
    print(1e6 * median(times) / len(rows), np.abs(found[:, 1] - wanted).max())


if __name__ == "__main__":
    main(*sys.argv[1:])
