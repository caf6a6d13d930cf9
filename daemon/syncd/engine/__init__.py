"""The one way of the data: observe, decide, execute, record. Sees ports only."""
