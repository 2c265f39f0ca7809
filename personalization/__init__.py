"""Experiences: which visitor sees which variant in which slot, why, and the rendered block."""
