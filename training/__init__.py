"""From a cohort to a registered model version with its evidence."""

from records import telemetry

telemetry.switch_off()
