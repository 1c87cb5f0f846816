"""Writes tests/golden/weights*: one state dict in each format of torch.save and safetensors, its values as JSON, and
files that must be rejected. Run: python tests/golden/make_pth.py
"""
import argparse
import collections
import datetime
import json
import pathlib
import uuid

import numpy as np
import safetensors.torch
import torch

HERE = pathlib.Path(__file__).parent


class Python2Dict(collections.OrderedDict):
    """Is pickled like an OrderedDict of Python 2, as in files of 2016 and 2017."""

    def __reduce__(self):
        return collections.OrderedDict, ([[key, value] for key, value in self.items()],)


class Python2Parameter:
    """Is pickled like a Parameter of torch 0.3."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __reduce__(self):
        return torch.nn.parameter.Parameter, (self.tensor, True)


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/thaw-was-here",)


def state_dict():
    torch.manual_seed(1)
    pool = torch.arange(12.0)
    d = collections.OrderedDict()
    d["conv.weight"] = torch.nn.Parameter(torch.randn(2, 3, 2, 2))
    d["conv.bias"] = torch.randn(2)
    d["half"] = torch.randn(5).half()
    d["bfloat16"] = torch.randn(2, 2).bfloat16()
    d["double"] = torch.randn(3).double()
    d["int8"] = torch.tensor([-128, 127], dtype=torch.int8)
    d["uint8"] = torch.tensor([0, 255], dtype=torch.uint8)
    d["int16"] = torch.tensor([-32768, 5], dtype=torch.int16)
    d["int32"] = torch.tensor([[-70000]], dtype=torch.int32)
    d["bool"] = torch.tensor([True, False, True])
    d["norm.num_batches_tracked"] = torch.tensor(7)
    d["empty"] = torch.zeros(0, 4)
    d["transposed"] = torch.arange(6.0).reshape(2, 3).t()
    d["channels_last"] = torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)
    d["shared.a"] = pool[2:8].reshape(2, 3)
    d["shared.b"] = pool[1::4]
    return d


def values(d):
    names = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float64": "F64", "int8": "I8", "uint8": "U8",
             "int16": "I16", "int32": "I32", "int64": "I64", "bool": "BOOL"}
    return {k: {"dtype": names[str(v.dtype).split(".")[1]], "shape": list(v.shape),
                "values": [float(x) for x in v.detach().float().flatten()]} for k, v in d.items()}


def save_module_stream(model, path, stream):
    """The stream form stores the file and the text of a module's source: short ones here."""
    torch.serialization.get_source_lines_and_file = lambda *_: (["class Linear: pass\n"], 1, "linear.py")
    torch.save(model, path, **stream)


def main():
    d = state_dict()
    stream = dict(_use_new_zipfile_serialization=False)
    torch.save(d, HERE / "weights_zip.pth")
    torch.save(d, HERE / "weights_stream.pth", **stream)
    torch.save(d, HERE / "weights_stream5.pth", pickle_protocol=5, **stream)
    dense = {k: v.detach().clone().contiguous() for k, v in d.items()}
    safetensors.torch.save_file(dense, HERE / "weights.safetensors", {"format": "pt", "note": "two\nlines"})
    (HERE / "weights.json").write_text(json.dumps(values(d), indent=1))

    model = torch.nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 2.0]]))
        model.bias.fill_(3)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    parallel = collections.OrderedDict(("module." + k, v) for k, v in model.state_dict().items())
    torch.save({"epoch": 3, "best": 0.5, "name": None, "state_dict": parallel, "optimizer": optimizer.state_dict()},
               HERE / "weights_checkpoint.pth")
    old = Python2Dict((k, Python2Parameter(v.detach())) for k, v in model.state_dict().items())
    torch.save(old, HERE / "weights_python2.pth", **stream)

    torch.save({"weight": torch.zeros(1), "evil": Evil()}, HERE / "weights_evil.pth")
    torch.save({"weight": torch.zeros(1), "evil": Evil()}, HERE / "weights_evil_stream.pth", **stream)
    torch.save(model, HERE / "weights_module.pth")
    save_module_stream(model, HERE / "weights_module_stream.pth", stream)
    objects = {"args": argparse.Namespace(lr=0.1), "best": np.float64(1.5), "counts": np.zeros((2, 2)),
               "path": pathlib.PurePosixPath("/x"), "when": datetime.datetime(2024, 1, 1), "dtype": torch.float32,
               "size": torch.Size([1, 2]), "set": {1, 2}, "frozen": frozenset([1]), "counter": collections.Counter("ab"),
               "default": collections.defaultdict(dict), "id": uuid.UUID(int=1 << 100), "function": torch.nn.functional.relu,
               "random": np.random.RandomState(1).get_state(), "ema": {"module": model}, "fp8": torch.zeros(2).to(torch.float8_e4m3fn),
               "model": {"module." + k: v for k, v in model.state_dict().items()}}
    for protocol in (2, 5):
        torch.save(objects, HERE / f"weights_objects{protocol}.pth", pickle_protocol=protocol)
    torch.save([1, 2], HERE / "weights_none.pth", **stream)


if __name__ == "__main__":
    main()
