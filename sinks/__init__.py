"""Kafka to ClickHouse: numbered migrations, the writer, the figures that BI tools read."""
