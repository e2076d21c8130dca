"""Supervised tuning: the launcher, which never imports torch, and the worker, which does."""
