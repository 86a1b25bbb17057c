"""Convergence: the gate, its statistics, and its second opinion."""
