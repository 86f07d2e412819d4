"""Composition: settings, command line, supervision, and the embedded Kafka and ClickHouse of one machine."""
