"""Ctrl-C and SIGTERM ask a run to stop after the step: the handler only sets a flag."""

import signal
import threading
from types import FrameType


class StopRequest:
    """A context in which SIGINT, SIGTERM and SIGUSR1 (where there is one) are requests.

    The handlers of before are put back on leaving; outside the main thread nothing is installed.
    `signal` is the number of the first request, 0 while there was none.
    """

    def __init__(self):
        self.signal = 0
        self._before: dict = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or number

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
                if number := getattr(signal, name, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exc) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
