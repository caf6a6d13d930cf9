"""syncd: keeps hot folders and S3 prefixes in step, and proves it."""

__version__ = "0.1.0"
