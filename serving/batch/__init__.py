"""Scoring files: Parquet or CSV in, the same out, resumable, recorded where that is wanted."""
