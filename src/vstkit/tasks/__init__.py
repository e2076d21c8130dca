"""Generators: one file a task family, its question templates beside it as data."""
