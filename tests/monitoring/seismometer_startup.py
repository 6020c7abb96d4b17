"""Opens an export with the real seismometer, in an interpreter that has it: prints its figures."""

import json
import logging
import os
import sys

import seismometer as sm
from seismometer.data.performance import BinaryClassifierMetricGenerator
from sklearn.metrics import roc_auc_score

os.chdir(sys.argv[1])
sm.run_startup(config_path=".", log_level=logging.ERROR)
sg = sm.Seismogram()
frame = sg.dataframe
_, overall = BinaryClassifierMetricGenerator().calculate_binary_stats(
    frame, sg.target, sg.output, ["AUROC", "PPV"], threshold_precision=3
)
evaluation = sm.plot_model_evaluation({}, sg.target_event, sg.output, sg.thresholds)
with_lead_time = sm.plot_cohort_lead_time(
    sg.cohort_cols[0],
    sg.available_cohort_groups[sg.cohort_cols[0]],
    sg.target_event,
    sg.output,
    0.05,
)
print(
    json.dumps(
        {
            "name": sg.modelname,
            "predictions": int(sg.prediction_count),
            "entities": int(sg.entity_count),
            "events": int(frame[sg.target].sum()),
            "auroc": float(overall["AUROC"]),
            "auroc_exact": float(roc_auc_score(frame[sg.target], frame[sg.output])),
            "cohorts": {name: len(groups) for name, groups in sg.available_cohort_groups.items()},
            "interventions": sorted(sg.config.interventions),
            "definition": sg.config.prediction_defs["creatinine"].definition,
            "drawn": [
                "<svg" in evaluation.data or "<img" in evaluation.data,
                "<svg" in with_lead_time.data or "<img" in with_lead_time.data,
            ],
        }
    )
)
