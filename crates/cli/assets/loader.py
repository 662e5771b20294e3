"""Reads a model file of Pyroclast: `tensors, header = load("MODEL")`.

Needs NumPy. The tensors are arrays by name; `torch.from_numpy` takes each of them. The weight of a
linear layer is [inputs, outputs], transposed against PyTorch's.
"""

import json
import struct
import sys

import numpy as np


def load(path="MODEL"):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        entries = json.loads(file.read(length))
        data = file.read()
    header = json.loads(entries.pop("__metadata__")["pyroclast"])["header"]
    tensors = {}
    for name, entry in entries.items():
        start, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[start:end], "<f4").reshape(entry["shape"])
    return tensors, header


if __name__ == "__main__":
    tensors, header = load(*sys.argv[1:2])
    model = header["model"]
    print(json.dumps({key: model[key] for key in ("path", "objective")}))
    print(json.dumps(model["about"]["network"]))
    for name, tensor in tensors.items():
        print(name, list(tensor.shape))
