"""What changes when torchrun starts several processes: rank, world size, one writer."""

import os

import torch
import torch.distributed as dist
from torch import Tensor, nn


def start() -> bool:
    """Join the process group that torchrun describes; False when started alone."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return False
    if dist.is_initialized():
        return False
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return True


def stop() -> None:
    """Leave the process group."""
    dist.destroy_process_group()


def is_distributed() -> bool:
    """Whether there are several processes."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """This process's number; 0 writes."""
    return dist.get_rank() if is_distributed() else 0


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if is_distributed() else 1


def local_device(device: torch.device) -> torch.device:
    """The GPU of this process on this machine."""
    if device.type == "cuda" and is_distributed():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    return device


def barrier() -> None:
    """Wait for every process."""
    if is_distributed():
        dist.barrier()


def any_rank(flag: bool, device: torch.device) -> bool:
    """Whether the flag is up in any process, so that all act alike."""
    if not is_distributed():
        return flag
    shared = torch.tensor([float(flag)], device=device)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return bool(shared.item())


def gather(value: object) -> list:
    """What each process gives, in the order of their numbers."""
    if not is_distributed():
        return [value]
    values = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def share_buffers(module: nn.Module) -> None:
    """Give every process the running statistics of process 0, the ones that are saved."""
    if is_distributed():
        for buffer in module.buffers():
            dist.broadcast(buffer, 0)


def sum_over_ranks(values: Tensor, device: torch.device) -> Tensor:
    """The sum over all processes of float64 numbers on the CPU; in float32, as a device has it."""
    if not is_distributed():
        return values
    there = values.to(device, torch.float32)
    dist.all_reduce(there)
    return there.double().cpu()
