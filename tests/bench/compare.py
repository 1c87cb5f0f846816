#!/usr/bin/env python3
"""Thaw's training against PyTorch's on this machine, in turn: medians, and ratios over the best of PyTorch's forms.

  compare.py all  NETWORK... [--bn lane] [--ranks 2]            everything unfrozen, training steps on noise
  compare.py last NETWORK --weights W.pth --data D [--ranks 2]  the last stage, 10 epochs, from start to finish
  compare.py head NETWORK --weights W.pth --data D [--ranks 2]  the classifier, the same

NETWORK is one of torchvision's, efficientnet_lite0, timm:NAME, which Thaw gets as ONNX (`all` only; needs timm, onnx),
or `table`, the six of docs/performance.md. D holds train/ and test/ with a folder of pictures per class. Without
--weights the network gets random ones, the same on both sides. Each process has one thread. PyTorch's forms are fp32,
and bf16 by autocast in both memory formats; in `last` and `head` it computes the frozen part once, in the same
precision, and trains on the kept features. With --usual, PyTorch decodes, augments and computes the frozen part in each
epoch; an epoch of that costs what the one before did, so --stop 2 measures two and counts the others like the last.
Needs torch, torchvision, and thaw in build/ (--build says otherwise). OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are unset.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import peers
from peers import BATCH, ENV, HERE

CUTS = {  # --unfreeze of the last stage, and its parameters' prefixes; the classifier's
    "resnet18": ("from:layer4.0", "layer4,fc", "fc"),
    "resnet50": ("from:layer4.0", "layer4,fc", "fc"),
    "vgg16": ("from:features.24", "features.24,features.26,features.28,classifier", "classifier.6"),
    "mobilenet_v2": ("from:features.14", "features.14,features.15,features.16,features.17,features.18,classifier",
                     "classifier.1"),
    "efficientnet_lite0": ("from:_blocks.11", "_blocks.11,_blocks.12,_blocks.13,_blocks.14,_blocks.15,_conv_head,_bn1,"
                           "_fc", "_fc"),
}
FORMS = {"fp32 channels_last": ["--precision", "fp32"], "bf16 channels_last": ["--precision", "bf16"],
         "bf16 contiguous": ["--precision", "bf16", "--contiguous"]}


def pytorch(args, network, *flags):
    """RANK and WORLD_SIZE processes of pytorch.py; the line of rank 0."""
    command = [sys.executable, HERE + "/pytorch.py", *flags, "--bn", args.bn, "--batch", str(BATCH.get(network, 32))]
    group = dict(ENV, WORLD_SIZE=str(args.ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT="29511")
    return peers.together(command, args.ranks, lambda rank: dict(group, RANK=str(rank)))[0]


def all_layers(args, network, folder):
    def peer(flags):
        line = pytorch(args, network, "steps", network, "--steps", str(args.steps), "--lora", str(args.lora), *flags)
        return {"speed": line["images_per_second"], "mib": line["peak_rss_bytes"] / 2**20, "version": line["version"]}
    ours = {p: lambda p=p: peers.thaw_bench(args, network, folder, p, "all") for p in args.precision}
    return ours, {name: lambda flags=flags: peer(flags) for name, flags in FORMS.items()}


def random_weights(network, folder):
    path = folder + "/weights.pth"
    save = ("import sys, torch, pytorch; torch.manual_seed(1); "
            "torch.save(pytorch.build(sys.argv[1], 1000).state_dict(), sys.argv[2])")
    subprocess.run([sys.executable, "-c", save, network, path], env=dict(ENV, PYTHONPATH=HERE), check=True)
    return path


def thaw_run(args, model, unfreeze, precision, out):
    begin = time.time()
    train = [args.build + "/thaw", "train", "--model", model, "--data", args.data, "--out", out + "/run",
             "--unfreeze", unfreeze, "--epochs", str(args.epochs), "--lanes", str(args.ranks), "--batch",
             str(args.ranks * args.batch), "--lr", str(args.lr), "--bn", args.bn, "--precision", precision,
             *args.thaw.split()]
    process = subprocess.Popen(peers.mpirun(args.ranks) + train, env=ENV, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # the largest process below mpirun counts
    if status:
        raise subprocess.CalledProcessError(status, train)
    seconds = time.time() - begin
    with open(out + "/run/result.json") as f:
        result = json.load(f)
    return {"speed": 3600 / seconds, "seconds": seconds, "top1": result["top1"], "mib": usage.ru_maxrss / 1024}


def pytorch_run(args, network, cut, head, weights, flags):
    begin = time.time()
    line = pytorch(args, network, "train" if args.usual else "keep", network, "--cut", cut, "--head", head, "--weights",
                   weights, "--data", args.data, "--epochs", str(args.epochs), "--stop", str(args.stop), "--lr",
                   str(args.lr), *flags)
    left = args.epochs - len(line["epoch_seconds"])
    seconds = time.time() - begin + left * line["epoch_seconds"][-1]
    return {"speed": 3600 / seconds, "seconds": seconds, "top1": None if left else line["top1"],
            "mib": line["peak_rss_bytes"] / 2**20, "epochs_measured": args.epochs - left, "version": line["version"]}


def fine_tune(args, network, folder):
    unfreeze, cut, head = CUTS[network]
    if args.row == "head":
        unfreeze, cut = "head", head
    args.batch = BATCH.get(network, 32)
    weights = args.weights or random_weights(network, folder)
    model = weights if args.weights else network + ":" + weights
    ours = {p: lambda p=p: thaw_run(args, model, unfreeze, p, tempfile.mkdtemp(dir=folder)) for p in args.precision}
    return ours, {name: lambda flags=flags: pytorch_run(args, network, cut, head, weights, flags)
                  for name, flags in FORMS.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=["all", "last", "head"])
    parser.add_argument("network", nargs="+")
    peers.arguments(parser)
    parser.add_argument("--bn", default="frozen", choices=["frozen", "lane"])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--lora", type=int, default=0, help="`all` of a vision transformer: rank of adapters, PEFT's and "
                        "Thaw's, which train alone; needs peft")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--usual", action="store_true", help="PyTorch: no features are kept")
    parser.add_argument("--stop", type=int, default=0, help="with --usual: measure only so many epochs of PyTorch")
    parser.add_argument("--lr", type=float, help="0.01 with --weights; with random ones 1e-6, as they may diverge")
    parser.add_argument("--weights")
    parser.add_argument("--data")
    parser.add_argument("--thaw", default="--views 1", help="more flags of thaw train")
    args = parser.parse_args()
    networks = peers.TABLE if args.network == ["table"] else args.network
    for network in networks:
        if network not in CUTS and not (args.row == "all" and network.startswith("timm:")):
            parser.error(f"{network}: one of {', '.join(CUTS)}, table, or with `all` timm:NAME")
    args.lr = args.lr or (0.01 if args.weights else 1e-6)
    for network in networks:
        key = {"row": args.row, "network": network, "bn": args.bn, "ranks": args.ranks,
               "batch": BATCH.get(network, 32), "usual": args.usual, "lora": args.lora}
        peers.measure(args, key, all_layers if args.row == "all" else fine_tune)


main()
