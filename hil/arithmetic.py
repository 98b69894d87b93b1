"""Which device and which arithmetic a run uses."""

from contextlib import AbstractContextManager, nullcontext

import torch

from hil.config import Precision


def resolve(precision: Precision) -> Precision:
    """Return BF16 or FP32: AUTO becomes BF16 where the processor has bfloat16 instructions (AVX-512 BF16 or AMX)."""
    if precision is not Precision.AUTO:
        return precision
    capabilities = torch.cpu.get_capabilities()
    has_instructions = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return Precision.BF16 if has_instructions else Precision.FP32


def autocast(precision: Precision) -> AbstractContextManager[object]:
    """Return the context for a forward pass in this precision on the CPU."""
    return torch.autocast("cpu", dtype=torch.bfloat16) if precision is Precision.BF16 else nullcontext()
