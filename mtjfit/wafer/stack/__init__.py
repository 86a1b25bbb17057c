"""Stacks: lengths shared by many devices of a wafer."""
