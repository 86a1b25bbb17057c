"""Studies: whether several data sets share their lengths."""
