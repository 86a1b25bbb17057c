"""Pages of wafers."""
