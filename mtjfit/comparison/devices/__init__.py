"""Devices: what each determines alone, and which of them differ."""
