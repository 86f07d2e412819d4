"""The contract between the parts: Avro schemas, the wire format, topic names and deterministic ids."""
