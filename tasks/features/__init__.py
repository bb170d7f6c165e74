"""Encoding, the review features, the scaler, and batches by length."""
