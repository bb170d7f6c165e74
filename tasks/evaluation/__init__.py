"""Metrics, confidence bounds, the paired comparison of two models, and scoring with a bundle."""
