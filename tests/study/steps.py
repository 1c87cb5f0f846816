#!/usr/bin/env python3
"""Whether Thaw's steps in bf16 follow PyTorch's: 20 steps on the same batches from the same weights.

  steps.py NETWORK DATA [--batch 8]

NETWORK is one of torchvision's, or timm:NAME; Thaw gets it as ONNX. DATA has train/ and test/ with a folder of pictures
per class; Thaw's augmented batches of the first pictures are written to a file and given to PyTorch. Everything trains,
by SGD with momentum, from random weights. Runs: Thaw in fp32 and bf16; PyTorch in fp32, and by autocast in both memory
formats. Prints the losses of each step, then the mean and the largest relative difference between pairs of runs, as one
JSON line. Run from the root after make and make build/tests/compare/dump_run (--build: elsewhere); needs torch,
torchvision, timm, onnx, safetensors.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [ROOT + "/bench", ROOT + "/compare"]
import peers  # noqa: E402
import pytorch  # noqa: E402
from finetune import read_batches, schedule  # noqa: E402

STEPS, MOMENTUM, DECAY = 20, 0.9, 1e-4
FORMS = {"pytorch fp32": (torch.float32, torch.channels_last),
         "pytorch bf16": (torch.bfloat16, torch.channels_last),
         "pytorch bf16 contiguous": (torch.bfloat16, torch.contiguous_format)}
PAIRS = [("pytorch bf16", "pytorch bf16 contiguous"), ("thaw bf16", "pytorch bf16"),
         ("thaw bf16", "pytorch bf16 contiguous"), ("thaw fp32", "pytorch fp32"), ("thaw bf16", "thaw fp32"),
         ("pytorch bf16", "pytorch fp32")]


def thaw_losses(args, model, out, precision):
    subprocess.run([args.build + "/thaw", "train", "--model", model, "--data", args.data, "--out", out,
                    "--unfreeze", "all", "--bn", "lane", "--lanes", "1", "--batch", str(args.batch), "--seed", "1",
                    "--lr", str(args.lr), "--momentum", str(MOMENTUM), "--weight-decay", str(DECAY), "--epochs", "1",
                    "--dropout", "0", "--precision", precision], check=True, env=peers.ENV, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    with open(out + "/metrics.jsonl") as f:
        lines = [json.loads(line) for line in f]
    return [line["loss"] for line in lines if line["event"] == "step"]


def some_pictures(data, folder, batch):
    """Copies as many pictures of each class as the steps need, and one for the test."""
    classes = sorted(os.listdir(data + "/train"))
    for part, count in (("train", -(-STEPS * batch // len(classes))), ("test", 1)):
        for name in classes:
            os.makedirs(f"{folder}/{part}/{name}")
            for picture in sorted(os.listdir(f"{data}/{part}/{name}"))[:count]:
                shutil.copy(f"{data}/{part}/{name}/{picture}", f"{folder}/{part}/{name}")
    return folder, len(classes)


def network(args, initial, classes):
    """The network that was exported, with the classifier that Thaw added."""
    torch.manual_seed(1)
    net = pytorch.build(args.network, 1000)
    name = [name for name, module in net.named_modules() if isinstance(module, torch.nn.Linear)][-1]
    tensors = {t.dim(): t for t in initial.values() if t.dim() and t.shape[0] == classes}
    head = torch.nn.Linear(tensors[2].shape[1], classes)
    head.load_state_dict({"weight": tensors[2], "bias": tensors[1]})
    net.set_submodule(name, head)
    return net


def pytorch_losses(args, net, batches, total, form):
    dtype, layout = FORMS[form]
    net = net.to(memory_format=layout).train()
    decayed = [p for p in net.parameters() if p.dim() > 1]
    spared = [p for p in net.parameters() if p.dim() <= 1]
    optimizer = torch.optim.SGD([{"params": decayed, "weight_decay": DECAY}, {"params": spared}], lr=args.lr,
                                momentum=MOMENTUM)
    losses = []
    for i, (images, labels) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = args.lr * schedule(i, total)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = F.cross_entropy(net(images.to(memory_format=layout)), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network")
    parser.add_argument("data")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--build", default="build")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        args.data, classes = some_pictures(args.data, work + "/data", args.batch)
        model = peers.export(args.network, work + "/network.onnx", True)
        subprocess.run([args.build + "/tests/compare/dump_run", model, args.data, work + "/dump", "1", str(args.batch),
                        "1", str(STEPS)], check=True)
        batches = list(read_batches(work + "/dump/batches.bin"))
        losses = {}
        for precision in ("fp32", "bf16"):
            every = thaw_losses(args, model, f"{work}/{precision}", precision)
            losses["thaw " + precision] = every[:STEPS]
        initial = load_file(work + "/dump/init.safetensors")
        for form in FORMS:
            print(form, file=sys.stderr, flush=True)
            losses[form] = pytorch_losses(args, network(args, initial, classes), batches, len(every), form)
    print("step  " + "  ".join(losses))
    for i in range(STEPS):
        print(f"{i + 1:4d}  " + "  ".join(f"{line[i]:{len(name)}.5f}" for name, line in losses.items()))
    result = {"network": args.network, "batch": args.batch, "steps": STEPS}
    for a, b in PAIRS:
        apart = [abs(x - y) / abs(y) for x, y in zip(losses[a], losses[b])]
        result[f"{a}, {b}"] = {"mean": sum(apart) / STEPS, "largest": max(apart)}
    print(json.dumps(peers.rounded(result)))


if __name__ == "__main__":
    main()
