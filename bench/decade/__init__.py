"""The made-up decade: `python -m bench.decade`."""
