"""The search index of archived files behind `ports.ArchiveIndex`: Elasticsearch, or OpenSearch."""
