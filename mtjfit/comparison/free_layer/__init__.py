"""Consequences: what the fitted torques do to the free layer."""
