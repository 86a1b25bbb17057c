"""Surveys: limits, smooth parts, spreads and differences over wafers."""
