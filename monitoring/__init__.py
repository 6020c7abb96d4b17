"""Watching a model in use: windows, drift, performance, alarms and the reviewers' console."""

from records import telemetry

telemetry.switch_off()
