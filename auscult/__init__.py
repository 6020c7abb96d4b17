"""The `auscult` command and the end-to-end demo: the only place that knows all the rest."""

from records import telemetry

telemetry.switch_off()
