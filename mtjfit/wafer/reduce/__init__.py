"""Reduction: what each device of a table determines alone."""
