"""Streams: decides in real time which matter a report belongs to and which agency must act by when (Faust on Kafka)."""
