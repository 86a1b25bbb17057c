"""Ensembles: annealing, jumps, and the run that emcee samples."""
