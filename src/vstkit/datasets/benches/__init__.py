"""Benchmarks as samples: `samples` reads their files, by the table in `suites`.

Nothing is imported here: the table stands in a help text, and is wanted quickly.
"""
