"""Reads a PyTorch state dict without PyTorch and without running code from the file.

The three MTCNN files are in the format PyTorch wrote before 1.6: five pickles (magic number,
protocol, system, the state dict, the storages' keys), then each storage as a little-endian u64
count and that many numbers. The pickles may name four harmless classes and nothing else.
"""

import collections
import pickle
import struct
from typing import BinaryIO

import numpy as np

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001


class FloatStorage:
    """Stands for torch.FloatStorage; only its name is needed."""


def as_tensor(key, offset, size, stride, *_):
    """Stands for torch._utils._rebuild_tensor_v2: a view to fill once the numbers are read."""
    return key, offset, size, stride


ALLOWED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "FloatStorage"): FloatStorage,
    ("torch._utils", "_rebuild_tensor_v2"): as_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
}


class StateUnpickler(pickle.Unpickler):
    """Resolves nothing but what a state dict of float32 tensors is made of."""

    def find_class(self, module, name):
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a state dict")
        return ALLOWED[module, name]

    def persistent_load(self, reference):
        kind, storage, key, _location, _count, view = reference
        if kind != "storage" or storage is not FloatStorage or view is not None:
            raise pickle.UnpicklingError(f"{reference!r} is not a float32 storage")
        return key


def read_state(file: BinaryIO) -> dict[str, np.ndarray]:
    """The tensors by name, float32."""
    magic, protocol, system, state, keys = (StateUnpickler(file).load() for _ in range(5))
    if (magic, protocol) != (MAGIC_NUMBER, PROTOCOL) or not system["little_endian"]:
        raise ValueError("not a little-endian state dict in PyTorch's format before 1.6")
    storages = {}
    for key in keys:
        (count,) = struct.unpack("<Q", file.read(8))
        storages[key] = np.frombuffer(file.read(4 * count), "<f4", count)
    if file.read(1):
        raise ValueError("bytes left over behind the last storage")
    tensors = {}
    for name, (key, offset, size, stride) in state.items():
        strides = [4 * step for step in stride]
        view = np.lib.stride_tricks.as_strided(storages[key][offset:], size, strides)
        tensors[name] = np.array(view)
    return tensors
