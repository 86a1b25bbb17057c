"""Evidence: ln Z and its error."""
