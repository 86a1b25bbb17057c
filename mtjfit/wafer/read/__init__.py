"""Tables of many devices, read piece by piece."""
