"""The command line: thin commands over the library, with exit codes that scripts can rely on."""
