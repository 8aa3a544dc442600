"""Child processes that start at once: forked from a server that has torch loaded and no threads."""

import multiprocessing
import os
import socket
import threading
import traceback

import torch
from tqdm import tqdm

PRELOADED = ["distill_lib", "torchmetrics.classification", "torch.utils.flop_counter"]


def start(work, *args, **environment):
    """Run `work(*args)` in a child; environment variables as keywords."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    child = context.Process(target=_work, args=(work, args, environment))
    child.start()
    return child


def _work(work, args, environment) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ.update(environment)
    torch.set_num_threads(1)
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, lost by a kill
    try:
        work(*args)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def start_ranks(world_size: int, work, *args) -> list:
    """Run `work(rank, *args)` in as many processes, which find each other as under torchrun."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    children = []
    for rank in range(world_size):
        where = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world_size)}
        where |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        children.append(start(work, rank, *args, **where))
    return children


def ended(children: list, seconds: float = 120) -> list[int]:
    """How each child ended; one that hangs is killed and counts as None."""
    for child in children:
        child.join(seconds)
    codes = [child.exitcode for child in children]
    for child in children:
        if child.exitcode is None:
            child.kill()
            child.join()
    return codes
