"""Writes optimizers.json: parameters after steps of torch.optim's SGD and AdamW with gradients from a formula.

Gradient k of step t is sin(k + 1 + 3 t), weight k starts at cos(k + 1); k = 0 .. 6, t = 1 .. 5, in single precision.
"""
import json
import math
import os

import torch

COUNT, STEPS, LR, DECAY, MOMENTUM = 7, 5, 0.05, 0.1, 0.9


def run(make):
    w = torch.tensor([math.cos(k + 1) for k in range(COUNT)], dtype=torch.float32, requires_grad=True)
    optimizer = make([w])
    for t in range(1, STEPS + 1):
        w.grad = torch.tensor([math.sin(k + 1 + 3 * t) for k in range(COUNT)], dtype=torch.float32)
        optimizer.step()
    return w.tolist()


golden = {
    "sgd": run(lambda p: torch.optim.SGD(p, lr=LR, momentum=MOMENTUM, weight_decay=DECAY)),
    "adamw": run(lambda p: torch.optim.AdamW(p, lr=LR, weight_decay=DECAY)),
}
with open(os.path.join(os.path.dirname(__file__), "optimizers.json"), "w") as f:
    json.dump(golden, f, indent=1)
    f.write("\n")
