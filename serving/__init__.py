"""The inference service: one module a protocol, each of which only translates."""

from records import telemetry

telemetry.switch_off()
