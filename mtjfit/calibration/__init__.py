"""Calibration: ranks of simulated truths among the draws of their posteriors."""
