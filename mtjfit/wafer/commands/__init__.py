"""Commands of wafers."""
