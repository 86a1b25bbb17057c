"""Mechanisms: which explanation of a linear out-of-plane torque the data prefer."""
