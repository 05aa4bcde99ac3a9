"""Advice on a trained model, before any training: which elements to average it over, if any."""
