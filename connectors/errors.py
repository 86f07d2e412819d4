"""The one way a connector says no."""

from schemas.reasons import ReasonCode


class Refusal(Exception):  # noqa: N818 - it is an answer to the sender, not a fault of the program
    """A message that can't be taken.

    `code` is the bounded word of schemas/reasons.py. `reason` is one line for the sender (field, what is wrong, what to do);
    it holds no value of the message.
    """

    def __init__(self, code: ReasonCode, reason: str) -> None:
        super().__init__(reason)
        self.code: ReasonCode = code
        self.reason = reason
