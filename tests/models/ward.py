"""A made-up definition with every kind of feature, for tests of the input path."""

WARD = """
schema_version = 1
name = "ward"
title = "Made-up risk on a ward"
owner = "The tests"
review_by = 2030-01-31
status = "demonstration"
thresholds = [{ risk = 0.2, because = "made up for the tests" }]
smallest_group = { people = 5, events = 1, non_events = 1 }
monitoring = { years_between_false_alarms = 5, smallest_drift_sd = 0.1 }
smallest_set = [{ count = 1, of = ["glucose", "creatinine"] }]
inclusion = [
  { feature = "age", at_least = 18, rule = "Age 18 years or more" },
  { feature = "ward", one_of = ["surgery", "medicine"], rule = "Patients of surgery and medicine" },
]

[[bands]]
name = "low"
title = "Low"
starts_at = 0
action = "None"
qualitative = "low"
indicator = "info"

[[bands]]
name = "high"
title = "High"
starts_at = 0.2
action = "Look"
qualitative = "high"
indicator = "critical"

[intended_use]
population = "Adults on a ward"
setting = "A hospital that doesn't exist"
user = "Nobody"
decision = "None"
not_for = ["Use of any kind"]

[outcome]
title = "Death"
definition = "Death within 30 days"
horizon_days = 30
time_zero = "the prediction"
reporting_delay_days = 1

[estimand]
treatment_policy = "Usual care"
censoring = "Nobody is censored"

[[features]]
name = "age"
title = "Age"
kind = "numeric"
source = "birth_date"
unit = "a"
plausible = [0, 120]
required = true

[[features]]
name = "sex"
title = "Sex"
kind = "categorical"
source = "gender"
categories = { female = "Female", male = "Male" }

[[features]]
name = "ward"
title = "Ward"
kind = "categorical"
categories = { surgery = "Surgery", medicine = "Medicine", maternity = "Maternity" }
look_back_days = 30

[[features]]
name = "creatinine"
title = "Creatinine in serum"
kind = "numeric"
unit = "mg/dL"
analyte = "creatinine"
loinc = ["2160-0", "38483-4", "14682-9"]
plausible = [0.1, 30]
look_back_days = 30

[[features]]
name = "glucose"
title = "Glucose"
kind = "numeric"
unit = "mg/dL"
analyte = "glucose"
loinc = ["2345-7", "14749-6"]
plausible = [10, 2000]
look_back_days = 2
reduce = "maximum"
accept_preliminary = true

[[features]]
name = "kappa"
title = "Free kappa light chains in serum"
kind = "numeric"
unit = "mg/dL"
analyte = "free_light_chains"
unit_mandatory = true
loinc = ["36916-5"]
plausible = [0.01, 100]
look_back_days = 30
if_unusable = "score_without"
accept_censored = true

[[features]]
name = "systolic"
title = "Systolic blood pressure"
kind = "numeric"
unit = "mm[Hg]"
analyte = "blood_pressure"
loinc = ["8480-6"]
plausible = [30, 300]
look_back_days = 1
reduce = "mean"

[[features]]
name = "egfr"
title = "Estimated glomerular filtration rate"
kind = "numeric"
unit = "mL/min/{1.73_m2}"
plausible = [2, 250]
derived = { formula = "ckd_epi_2021", inputs = ["creatinine", "age", "sex"] }
"""
