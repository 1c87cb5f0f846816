#!/usr/bin/env python3
"""Thaw's frozen part against PyTorch, ONNX Runtime and OpenVINO on this machine, in turn: medians, and ratios over the
best of them in any precision.

  inference.py NETWORK... [--ranks 2]

NETWORK is one of torchvision's, efficientnet_lite0, timm:NAME, or `table`, the six of docs/performance.md, with random
weights at 224 x 224. Thaw is `thaw bench --unfreeze none`: the whole network is frozen. The peers run on noise with one
thread per process, in batches of 32 (VGG-16: 8); ONNX Runtime and OpenVINO image by image, too. Needs torch,
torchvision, timm, onnx; onnxruntime or openvino is left out, with a message, if it is not installed. --compile adds
PyTorch's torch.compile.
"""
import argparse
import importlib.util
import sys

import peers
from peers import BATCH, HERE

PYTORCH = {"fp32 pytorch": [], "bf16 pytorch": ["--precision", "bf16"],
           "bf16 pytorch contiguous": ["--precision", "bf16", "--contiguous"]}
COMPILED = {"bf16 pytorch compiled": ["--precision", "bf16", "--compile"]}
RUNTIMES = {"fp32 onnxruntime": ["onnxruntime"], "fp32 openvino": ["openvino"],
            "bf16 openvino": ["openvino", "--precision", "bf16"]}


def peer(args, command):
    lines = peers.together([sys.executable, *command], args.ranks)
    return {"speed": sum(line["images_per_second"] for line in lines), "version": lines[0]["version"]}


def contestants(args, network, folder):
    batch = str(BATCH.get(network, 32))
    ours = {p: lambda p=p: peers.thaw_bench(args, network, folder, p, "none") for p in args.precision}
    theirs = {}
    for name, flags in (PYTORCH | COMPILED if args.compile else PYTORCH).items():
        theirs[name] = [HERE + "/pytorch.py", "forward", network, "--batch", batch, "--steps", str(args.steps), *flags]
    path = folder + "/inference.onnx"
    for name, (runtime, *flags) in RUNTIMES.items():
        if not importlib.util.find_spec(runtime):
            print(f"left out: {runtime} is not installed", file=sys.stderr)
            continue
        peers.export(network, path, False)
        for many in ("1", batch):
            theirs[f"{name} batch {many}"] = [HERE + "/runtimes.py", runtime, path, "--batch", many, "--seconds",
                                              str(args.seconds), *flags]
    return ours, {name: lambda command=command: peer(args, command) for name, command in theirs.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="+")
    peers.arguments(parser)
    parser.add_argument("--steps", type=int, default=3, help="of Thaw and PyTorch, of a batch each")
    parser.add_argument("--seconds", type=float, default=2, help="of ONNX Runtime and OpenVINO")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    args.bn = "frozen"
    for network in peers.TABLE if args.network == ["table"] else args.network:
        key = {"row": "inference", "network": network, "ranks": args.ranks, "batch": BATCH.get(network, 32)}
        peers.measure(args, key, contestants)


main()
