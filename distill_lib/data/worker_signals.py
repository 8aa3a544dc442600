"""Signals that ask a run to stop reach its loader's workers too, and are the run's alone to answer.

Ctrl-C, `timeout` and batch systems send them to every process of a group. A worker that died of one
would take the run with it, before it has finished its step and saved its checkpoint.
"""

import os
import signal
import threading


def leave_signals_to_the_run(worker: int) -> None:
    """Begin a worker: only the process that started it can end it by SIGTERM, others in no way.

    Where a system does not tell who sent a signal (macOS), SIGTERM of others ends the worker too.
    """
    for name in ("SIGINT", "SIGUSR1"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_when_the_run_says, daemon=True).start()


def _end_when_the_run_says() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
