"""`python -m hub` is `zhishu`."""

from hub.cli import main

main()
