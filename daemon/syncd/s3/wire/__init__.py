"""A lean client for the hot calls of S3, on the standard library alone: it imports nothing else of syncd."""
