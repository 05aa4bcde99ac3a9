"""Molecules: energies and forces of configurations, and properties of many molecules."""
