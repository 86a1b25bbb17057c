"""The paper: its figures and numbers, from its equations."""
