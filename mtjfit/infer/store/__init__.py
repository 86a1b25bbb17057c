"""Store: runs on disk that survive being killed."""
