#!/usr/bin/env python3
"""Fine-tunes EfficientNet-Lite0 with PyTorch and with Thaw with the same settings, and compares.

  finetune.py steps    WEIGHTS.pth DATA   20 steps on identical batches: largest relative difference of the losses
  finetune.py accuracy WEIGHTS.pth DATA   whole fine-tunes with each program's own input pipeline: test accuracy

Both for the classifier alone and for the last two blocks; a fourth argument ("head" or "last two blocks") selects one.
Run from the root after `make` and `make build/tests/compare/dump_run`; needs torch, torchvision and safetensors.
"""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "golden"))
from lite import EfficientNetLite0  # noqa: E402

RANKS, LANES, BATCH, SEED, STEPS, SIDE = 2, 2, 32, 1, 20, 224
LR, MOMENTUM, DECAY, WARMUP = 0.01, 0.9, 1e-4, 0.05
CUTS = {"head": ["_fc"], "last two blocks": ["_blocks.14", "_blocks.15", "_conv_head", "_bn1", "_fc"]}
FLAGS = {"head": "head", "last two blocks": "from:_blocks.14"}
MPI = ["mpirun", "--oversubscribe", "-np", str(RANKS)]
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
PREPROCESS = None


def thaw(out, weights, data, cut, *flags):
    subprocess.run(MPI + ["build/thaw", "train", "--model", weights, "--data", data, "--out", out, "--unfreeze",
                          FLAGS[cut], "--lanes", str(LANES), "--batch", str(BATCH), "--seed", str(SEED), "--lr",
                          str(LR), "--momentum", str(MOMENTUM), "--weight-decay", str(DECAY), "--warmup",
                          str(WARMUP), "--dropout", "0", *flags], check=True, env=ENV, stdout=subprocess.DEVNULL)


def schedule(step, steps):
    rising = math.ceil(WARMUP * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))


def network(state, cut):
    net = EfficientNetLite0(state["_fc.weight"].shape[0])
    net.load_state_dict(state, strict=False)
    net = net.to(memory_format=torch.channels_last)
    net.eval()  # batch norm uses the stored statistics, as --bn frozen
    decayed, spared = [], []
    for name, p in net.named_parameters():
        p.requires_grad = any(name.startswith(prefix + ".") for prefix in CUTS[cut])
        if p.requires_grad:
            (decayed if p.dim() > 1 else spared).append(p)
    optimizer = torch.optim.SGD([{"params": decayed, "weight_decay": DECAY}, {"params": spared, "weight_decay": 0.0}],
                                lr=LR, momentum=MOMENTUM)
    return net, optimizer


def step(net, optimizer, images, labels, factor):
    for group in optimizer.param_groups:
        group["lr"] = LR * factor
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images.contiguous(memory_format=torch.channels_last)), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def read_batches(path):
    """The batches of dump_run: images as PyTorch has them, and their classes."""
    with open(path, "rb") as f:
        while head := f.read(4):
            n = struct.unpack("<i", head)[0]
            labels = np.frombuffer(f.read(4 * n), np.int32).astype(np.int64)
            images = np.frombuffer(f.read(4 * n * SIDE * SIDE * 3), np.float32).reshape(n, SIDE, SIDE, 3)
            yield torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels)


def compare_steps(weights, data, cut, work):
    dump = os.path.join(work, "dump")
    subprocess.run(["build/tests/compare/dump_run", weights, data, dump, str(LANES), str(BATCH), str(SEED),
                    str(STEPS)], check=True)
    run = os.path.join(work, "run")
    thaw(run, weights, data, cut, "--epochs", "1")
    lines = [json.loads(line) for line in open(os.path.join(run, "metrics.jsonl"))]
    ours = [line["loss"] for line in lines if line["event"] == "step"][:STEPS]
    epoch_steps = sum(line["event"] == "step" for line in lines)
    net, optimizer = network(load_file(os.path.join(dump, "init.safetensors")), cut)
    worst = 0.0
    for i, (images, labels) in enumerate(read_batches(os.path.join(dump, "batches.bin"))):
        theirs = step(net, optimizer, images, labels, schedule(i, epoch_steps))
        worst = max(worst, abs(theirs - ours[i]) / theirs)
        print(f"  step {i + 1:2d}  thaw {ours[i]:.6f}  pytorch {theirs:.6f}")
    print(f"{cut}: {len(ours)} steps, largest relative difference of the loss {worst:.2e}")


def loaders(data):
    from torchvision import datasets, transforms
    from torchvision.transforms import InterpolationMode
    normalise = transforms.Normalize(PREPROCESS["mean"], PREPROCESS["std"])
    mode = InterpolationMode.BICUBIC if PREPROCESS["filter"] == "bicubic" else InterpolationMode.BILINEAR
    train = transforms.Compose([transforms.RandomResizedCrop(SIDE, (0.35, 1.0), interpolation=mode),
                                transforms.RandomHorizontalFlip(), transforms.ToTensor(), normalise])
    test = transforms.Compose([transforms.Resize(PREPROCESS["resize"], mode), transforms.CenterCrop(SIDE),
                               transforms.ToTensor(), normalise])
    generator = torch.Generator().manual_seed(SEED)
    return (torch.utils.data.DataLoader(datasets.ImageFolder(os.path.join(data, "train"), train), BATCH, shuffle=True,
                                        generator=generator),
            torch.utils.data.DataLoader(datasets.ImageFolder(os.path.join(data, "test"), test), BATCH))


def compare_accuracy(weights, data, cut, work, epochs):
    run = os.path.join(work, "run")
    thaw(run, weights, data, cut, "--epochs", str(epochs), "--eval-every", str(epochs))
    ours = json.load(open(os.path.join(run, "result.json")))["top1"]
    dump = os.path.join(work, "dump")
    subprocess.run(["build/tests/compare/dump_run", weights, data, dump, "1", "1", str(SEED), "0"], check=True)
    torch.manual_seed(SEED)
    net, optimizer = network(load_file(os.path.join(dump, "init.safetensors")), cut)
    train, test = loaders(data)
    done, steps = 0, epochs * len(train)
    for _ in range(epochs):
        for images, labels in train:
            step(net, optimizer, images, labels, schedule(done, steps))
            done += 1
    with torch.no_grad():
        hits = sum((net(images).argmax(1) == labels).sum().item() for images, labels in test)
    theirs = hits / len(test.dataset)
    print(f"{cut}: {epochs} epochs, test accuracy thaw {100 * ours:.2f}%, pytorch {100 * theirs:.2f}%")


def main():
    global PREPROCESS
    what, weights, data = sys.argv[1:4]
    inspected = subprocess.run(["build/thaw", "inspect", weights, "--json"], check=True, capture_output=True)
    PREPROCESS = json.loads(inspected.stdout)["preprocess"]
    for cut in sys.argv[4:] or CUTS:
        with tempfile.TemporaryDirectory() as work:
            if what == "steps":
                compare_steps(weights, data, cut, work)
            else:
                compare_accuracy(weights, data, cut, work, 10)


if __name__ == "__main__":
    main()
