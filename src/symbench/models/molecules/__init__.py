"""Molecules: energies and forces by graph networks and by quantum circuits."""
