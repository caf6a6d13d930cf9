"""The client of the syncd daemon. Standard library and syncwire only, so that it starts in a blink."""
