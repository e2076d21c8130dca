"""Samples answered by a model, here or behind a server: questions, the two engines, and the predictions in order."""
