"""Video alarms, one module a protocol. A camera is located by the profile's register, never by its messages."""
