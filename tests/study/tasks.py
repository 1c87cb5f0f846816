#!/usr/bin/env python3
"""Tasks beyond one class per image, and imbalance, on photographs: figures for docs/datasets.md.

  tasks.py imbalance WEIGHTS.pth DATA   rare classes with a twentieth of their images: balanced accuracy of plain
                                        training, of class weights and of balanced sampling
  tasks.py labels WEIGHTS.pth DATA      two photographs side by side, which have both classes: mean average precision of
                                        Thaw and of the same recipe in PyTorch
  tasks.py values WEIGHTS.pth DATA      the same pictures, of which the position of the border is learned: R2

DATA has train/ and test/ with class folders; the weights are those of EfficientNet-Lite0. Options: --seeds N (5),
--epochs N (20), --lr X (0.05; 0.0005 for values), --pairs N (pictures to train on, 600; a third as many to test),
--unfreeze HOW (head; of imbalance only), --thaw FILE (build/thaw). Run from the root; labels and values need torch,
torchvision, Pillow and scikit-learn.
"""
import argparse
import csv
import json
import math
import os
import random
import subprocess
import sys
import tempfile

ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OPENBLAS_NUM_THREADS="1")
MOMENTUM, DECAY, WARMUP, BATCH, RARE, SIDE = 0.9, 1e-4, 0.05, 32, 20, 256
LR = {"imbalance": 0.05, "labels": 0.05, "values": 0.0005}  # squared errors of 1280 features diverge at larger ones


def thaw(o, out, data, seed, *flags):
    """The result of a run. Its frozen features are kept for the other runs with this seed."""
    cache = os.path.join(os.path.dirname(out), f"cache{seed}")
    subprocess.run([o.thaw, "train", "--model", o.weights, "--data", data, "--out", out, "--cache-dir", cache,
                    "--views", "1", "--dropout", "0", "--batch", str(BATCH), "--seed", str(seed), "--epochs",
                    str(o.epochs), "--eval-every", str(o.epochs), "--lr", str(o.lr), *flags], check=True, env=ENV,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(os.path.join(out, "result.json")) as f:
        return json.load(f)


def mean(values):
    return sum(values) / len(values)


# ---- Imbalance ------------------------------------------------------------------------------------------------------

def imbalance(o, work):
    """Every second class keeps a twentieth of its training images, another one for each seed."""
    ways = {"plain": [], "class weights": ["--class-weights", "balanced"],
            "balanced sampling": ["--sampling", "balanced"], "focal loss": ["--loss", "focal"]}
    balanced, plain = {w: [] for w in ways}, {w: [] for w in ways}
    for seed in range(1, o.seeds + 1):
        data, choice = os.path.join(work, f"data{seed}"), random.Random(seed)
        for c, name in enumerate(sorted(os.listdir(os.path.join(o.data, "train")))):
            folder = os.path.join(o.data, "train", name)
            images = sorted(os.listdir(folder))
            keep = max(1, len(images) // RARE) if c % 2 else len(images)
            os.makedirs(os.path.join(data, "train", name))
            for image in choice.sample(images, keep):
                os.symlink(os.path.abspath(os.path.join(folder, image)), os.path.join(data, "train", name, image))
        os.symlink(os.path.abspath(os.path.join(o.data, "test")), os.path.join(data, "test"))
        for way, flags in ways.items():
            result = thaw(o, os.path.join(work, f"run{seed}-{way.replace(' ', '-')}"), data, seed,
                          "--unfreeze", o.unfreeze, *flags)
            print(f"seed {seed}, {way}: {100 * result['balanced_accuracy']:.1f}%", file=sys.stderr)
            balanced[way].append(result["balanced_accuracy"])
            plain[way].append(min(c["accuracy"] for c in result["per_class"].values()))
    for way in ways:
        print(f"{way:18s} balanced accuracy {100 * mean(balanced[way]):.2f}% "
              f"({', '.join(f'{100 * x:.1f}' for x in balanced[way])}), worst class {100 * mean(plain[way]):.1f}%")


# ---- Pictures of two --------------------------------------------------------------------------------------------------

def compose(o, work, task):
    """Pictures of two photographs of different classes side by side, with a border at a random position, and their
    manifest. Returns the rows: (path, split, targets)."""
    from PIL import Image
    names = sorted(os.listdir(os.path.join(o.data, "train")))
    rows, choice = [], random.Random(1)
    for split, count in (("train", o.pairs), ("test", o.pairs // 3)):
        os.makedirs(os.path.join(work, split))
        for i in range(count):
            pair = choice.sample(range(len(names)), 2)
            border = choice.uniform(0.25, 0.75)
            picture, at = Image.new("RGB", (SIDE, SIDE)), 0
            for k, c in enumerate(pair):
                folder = os.path.join(o.data, split, names[c])
                width = round(SIDE * border) if k == 0 else SIDE - at
                with Image.open(os.path.join(folder, choice.choice(sorted(os.listdir(folder))))) as image:
                    picture.paste(image.convert("RGB").resize((SIDE, SIDE)).crop(
                        ((SIDE - width) // 2, 0, (SIDE - width) // 2 + width, SIDE)), (at, 0))
                at = width
            path = f"{split}/{i}.png"
            picture.save(os.path.join(work, path))
            targets = [float(c in pair) for c in range(len(names))] if task == "labels" else [100 * border]
            text = ";".join(names[c] for c in pair) if task == "labels" else f"{100 * border:.6f}"
            rows.append((path, split, targets, text))
    with open(os.path.join(work, "list.csv"), "w", newline="") as f:
        table = csv.writer(f)
        table.writerow(["path", "split", "label"])
        table.writerows((path, split, text) for path, split, _, text in rows)
    return rows


def features(o, work, rows):
    """Of EfficientNet-Lite0 before its classifier, for images as Thaw prepares them."""
    import torch
    from torchvision import transforms
    from torchvision.transforms import InterpolationMode
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "golden"))
    from PIL import Image
    from lite import EfficientNetLite0
    inspected = subprocess.run([o.thaw, "inspect", o.weights, "--json"], check=True, capture_output=True, env=ENV)
    p = json.loads(inspected.stdout)["preprocess"]
    mode = InterpolationMode.BICUBIC if p["filter"] == "bicubic" else InterpolationMode.BILINEAR
    prepare = transforms.Compose([transforms.Resize(p["resize"], mode), transforms.CenterCrop(p["size"]),
                                  transforms.ToTensor(), transforms.Normalize(p["mean"], p["std"])])
    net = EfficientNetLite0(1000)
    net.load_state_dict(torch.load(o.weights, map_location="cpu"))
    net._fc = torch.nn.Identity()
    net.eval()
    with torch.no_grad():
        return torch.cat([net(prepare(Image.open(os.path.join(work, row[0]))).unsqueeze(0)) for row in rows])


def schedule(step, steps):
    rising = math.ceil(WARMUP * steps)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))


def train_head(x, y, loss, seed, epochs, lr):
    """The recipe of `thaw` above: SGD with momentum, decay of the weight, warm-up and half a cosine."""
    import torch
    torch.manual_seed(seed)
    head = torch.nn.Linear(x.shape[1], y.shape[1])
    optimizer = torch.optim.SGD([{"params": [head.weight], "weight_decay": DECAY},
                                 {"params": [head.bias], "weight_decay": 0.0}], lr=lr, momentum=MOMENTUM)
    steps, done = epochs * math.ceil(len(x) / BATCH), 0
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for at in range(0, len(x), BATCH):
            batch = order[at:at + BATCH]
            for group in optimizer.param_groups:
                group["lr"] = lr * schedule(done, steps)
            optimizer.zero_grad()
            loss(head(x[batch]), y[batch]).backward()
            optimizer.step()
            done += 1
    return head


def compare(o, work, task):
    import torch
    import torch.nn.functional as F
    from sklearn.metrics import average_precision_score, r2_score
    rows = compose(o, work, task)
    x, y = features(o, work, rows), torch.tensor([row[2] for row in rows])
    train = torch.tensor([row[1] == "train" for row in rows])
    at, spread = y[train].mean(0), y[train].std(0, correction=0)
    present = (y[~train] > 0).any(0).numpy()  # labels that a test picture has
    ours, theirs = [], []
    for seed in range(1, o.seeds + 1):
        result = thaw(o, os.path.join(work, f"run{seed}"), os.path.join(work, "list.csv"), seed, "--task", task,
                      "--unfreeze", "head")
        ours.append(result["map" if task == "labels" else "r2"])
        if task == "labels":
            head = train_head(x[train], y[train], F.binary_cross_entropy_with_logits, seed, o.epochs, o.lr)
            scores = head(x[~train]).detach().numpy()
            theirs.append(average_precision_score(y[~train].numpy()[:, present], scores[:, present]))
        else:
            head = train_head(x[train], (y[train] - at) / spread, F.mse_loss, seed, o.epochs, o.lr)
            theirs.append(r2_score(y[~train].numpy(), (head(x[~train]) * spread + at).detach().numpy()))
    name = "mAP" if task == "labels" else "R2"
    print(f"{task}: {len(rows)} pictures, {o.seeds} seeds: {name} thaw {mean(ours):.4f}, PyTorch {mean(theirs):.4f} "
          f"({', '.join(f'{a:.4f}/{b:.4f}' for a, b in zip(ours, theirs))})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["imbalance", "labels", "values"])
    parser.add_argument("weights")
    parser.add_argument("data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--unfreeze", default="head")
    parser.add_argument("--thaw", default="build/thaw")
    o = parser.parse_args()
    o.lr = o.lr or LR[o.what]
    with tempfile.TemporaryDirectory() as work:
        if o.what == "imbalance":
            imbalance(o, work)
        else:
            compare(o, work, "labels" if o.what == "labels" else "value")


if __name__ == "__main__":
    main()
