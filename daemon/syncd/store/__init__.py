"""The SQLite state: records, hash cache, history and what else must outlive the process. Only this package opens it."""
