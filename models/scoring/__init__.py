"""Scoring: from a vector of model inputs to a calibrated risk and its exact explanation."""
