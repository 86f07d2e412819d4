"""The big screen (大屏): one page of headline figures and of what waits for a person now, and the JSON behind it.

`make_app(brain, deployment)` is the web application; `ClickHouseBrain` asks the views of database `bi`.
"""

from monitoring.screen.brain import Brain, BrainUnavailableError, ClickHouseBrain, Figure
from monitoring.screen.server import Deployment, make_app

__all__ = ["Brain", "BrainUnavailableError", "ClickHouseBrain", "Deployment", "Figure", "make_app"]
