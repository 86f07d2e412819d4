"""Of all tests. A busy machine is no failure: hypothesis asks for no deadline (what takes time is measured in bench/)."""

from hypothesis import settings

settings.register_profile("hub", deadline=None)
settings.load_profile("hub")
