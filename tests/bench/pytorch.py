"""One measurement of PyTorch, as one JSON line: what compare.py holds against thaw.

  pytorch.py steps NETWORK --bn lane --batch 32 --steps 5                    training steps on noise, all layers
  pytorch.py forward NETWORK --batch 32 --steps 5                            the same network without training
  pytorch.py train NETWORK --cut layer4,fc --head fc --weights W.pth --data D --epochs 2    a fine-tune as is usual
  pytorch.py keep NETWORK --cut layer4,fc --head fc --weights W.pth --data D --epochs 2     the frozen part runs once

--precision bf16 is autocast, and for `forward` weights in bfloat16; kept features have that precision too. With RANK
and WORLD_SIZE in the environment it is one of several DDP processes over gloo; each has one thread.
"""
import argparse
import json
import os
import resource
import sys
import time

start = time.time()
import torch  # noqa: E402
import torchvision  # noqa: E402
from torch import nn  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "golden"))

MEAN, STD, SIDE = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], 224


def build(network, classes):
    if network == "efficientnet_lite0":
        from lite import EfficientNetLite0
        return EfficientNetLite0(classes)
    if network.startswith("timm:"):
        import timm
        return timm.create_model(network[5:], num_classes=classes)
    return getattr(torchvision.models, network)(num_classes=classes)


def set_mode(net, bn):
    """bn frozen: stored statistics, everything else as in training."""
    net.train()
    if bn == "frozen":
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def parallel(net):
    return nn.parallel.DistributedDataParallel(net) if torch.distributed.is_initialized() else net


def autocast(args):
    return torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16")


def timed(run, count):
    """The median of the seconds of `count` runs after one more."""
    seconds = []
    for _ in range(count + 1):
        begin = time.time()
        run()
        seconds.append(time.time() - begin)
    return sorted(seconds[1:])[count // 2]


def forward(args, layout):
    dtype = torch.bfloat16 if args.precision == "bf16" else torch.float32
    net = build(args.network, 1000).eval().to(dtype, memory_format=layout)
    x = torch.randn(args.batch, 3, SIDE, SIDE).to(dtype, memory_format=layout)
    if args.compile:
        torch._inductor.config.freezing = True
        net = torch.compile(net)
    with torch.inference_mode():
        return {"images_per_second": args.batch / timed(lambda: net(x), args.steps)}


def add_adapters(net, rank):
    """PEFT's adapters on all linear layers of a vision transformer of timm, and the classifier, train."""
    import peft
    config = peft.LoraConfig(r=rank, target_modules=["qkv", "proj", "fc1", "fc2"], exclude_modules=r"patch_embed.*",
                             modules_to_save=["head"])
    return peft.get_peft_model(net, config)


def steps(args, layout):
    net = build(args.network, 1000)
    net = (add_adapters(net, args.lora) if args.lora else net).to(memory_format=layout)
    set_mode(net, args.bn)
    model = parallel(net)
    x = torch.randn(args.batch, 3, SIDE, SIDE).to(memory_format=layout)
    y = torch.arange(args.batch) % 1000
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=1e-6, momentum=0.9)

    def step():
        optimizer.zero_grad()
        with autocast(args):
            loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    world = int(os.environ.get("WORLD_SIZE", 1))
    return {"images_per_second": args.batch * world / timed(step, args.steps)}


class Pictures(torch.utils.data.Dataset):
    """JPEG files decoded and transformed by torchvision on tensors, its faster way."""

    def __init__(self, folder, transform):
        self.samples, self.transform = torchvision.datasets.ImageFolder(folder).samples, transform

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        path, label = self.samples[i]
        image = torchvision.io.decode_image(path, torchvision.io.ImageReadMode.RGB)
        return self.transform(image), label


def batches(dataset, batch, shuffle):
    sampler = None
    if torch.distributed.is_initialized():
        sampler = torch.utils.data.DistributedSampler(dataset, shuffle=shuffle)
    return torch.utils.data.DataLoader(dataset, batch, shuffle=shuffle and not sampler, sampler=sampler)


def layers(net):
    """A network as the list of its layers' names and modules, which run in turn."""
    found = []
    for name, child in net.named_children():
        inner = child.named_children() if isinstance(child, nn.Sequential) else []
        found += [(f"{name}.{k}", module) for k, module in inner] or [(name, child)]
    if "_bn0" in dict(found):  # of EfficientNet-Lite0, which has its activation once
        found.insert(2, ("act0", net.act))
    head = [name.split(".")[0] in ("fc", "_fc", "classifier") for name, _ in found].index(True)
    if "avgpool" not in dict(found):
        found.insert(head, ("avgpool", nn.AdaptiveAvgPool2d(1)))
        head += 1
    found.insert(head, ("flatten", nn.Flatten()))
    return found


def split(net, prefixes):
    """The frozen part and the rest."""
    found = layers(net)
    cut = [any((name + ".").startswith(prefix) for prefix in prefixes) for name, _ in found].index(True)
    return nn.Sequential(*[m for _, m in found[:cut]]), nn.Sequential(*[m for _, m in found[cut:]])


def open_data(args):
    finish = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    augment = v2.Compose([v2.RandomResizedCrop(SIDE, (0.35, 1), antialias=True), v2.RandomHorizontalFlip(), *finish])
    plain = v2.Compose([v2.Resize(256, antialias=True), v2.CenterCrop(SIDE), *finish])
    kept = args.what == "keep"  # one view of each image, the features of which are shuffled
    training = batches(Pictures(args.data + "/train", plain if kept else augment), args.batch, not kept)
    return training, batches(Pictures(args.data + "/test", plain), args.batch, False)


def compute_features(args, layout, trunk, data):
    trunk.eval()
    features, labels = [], []
    with torch.no_grad(), autocast(args):
        for x, y in data:
            out = trunk(x.to(memory_format=layout))
            features.append(out.to(torch.bfloat16) if args.precision == "bf16" else out)
            labels.append(y)
    return torch.utils.data.TensorDataset(torch.cat(features), torch.cat(labels))


def open_network(args, layout):
    """The network with the weights of the file but for a new classifier, and the prefixes of what trains."""
    state = {k: v for k, v in torch.load(args.weights, weights_only=True).items() if not k.startswith(args.head + ".")}
    net = build(args.network, len(os.listdir(args.data + "/train")))
    net.load_state_dict(state, strict=False)
    net = net.to(memory_format=layout)
    prefixes = [p + "." for p in args.cut.split(",")]
    for name, p in net.named_parameters():
        p.requires_grad = any(name.startswith(prefix) for prefix in prefixes)
    return net, prefixes


def count_right(args, layout, net, test):
    net.eval()
    right = seen = 0
    with torch.inference_mode(), autocast(args):
        for x, y in test:
            x = x.to(memory_format=layout) if x.dim() == 4 else x
            right += int((net(x).argmax(1) == y).sum())
            seen += len(y)
    count = torch.tensor([right, seen])
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(count)
    return count.tolist()


def train(args, layout):
    training, test = open_data(args)
    net, prefixes = open_network(args, layout)
    begin, epochs = time.time(), []
    if args.what == "keep":
        trunk, net = split(net, prefixes)
        training, test = (compute_features(args, layout, trunk, data) for data in (training, test))
        training = torch.utils.data.DataLoader(training, args.batch, shuffle=True)
        test = torch.utils.data.DataLoader(test, args.batch)
    model = parallel(net)
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=args.lr, momentum=0.9, weight_decay=1e-4)
    total = args.epochs * len(training)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total, pct_start=0.05)
    for _ in range(args.stop or args.epochs):
        set_mode(net, args.bn)
        for x, y in training:
            optimizer.zero_grad()
            x = x.to(memory_format=layout) if x.dim() == 4 else x
            with autocast(args):
                loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            schedule.step()
        right, seen = count_right(args, layout, net, test)
        epochs.append(time.time() - begin - sum(epochs))
    return {"start_seconds": begin - start, "epoch_seconds": epochs, "top1": right / seen}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["steps", "forward", "train", "keep"])
    parser.add_argument("network")
    parser.add_argument("--cut", help="prefixes of the parameters that train, with commas")
    parser.add_argument("--head", help="prefix of the classifier")
    parser.add_argument("--weights")
    parser.add_argument("--data")
    parser.add_argument("--bn", default="frozen", choices=["frozen", "lane"])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--stop", type=int, default=0, help="stop after so many epochs")
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--lora", type=int, default=0, help="steps: rank of PEFT's adapters, which train alone")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--compile", action="store_true", help="forward: torch.compile with frozen weights")
    parser.add_argument("--contiguous", action="store_true", help="NCHW in memory; else channels_last")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        torch.distributed.init_process_group("gloo")
    layout = torch.contiguous_format if args.contiguous else torch.channels_last
    result = {"steps": steps, "forward": forward}.get(args.what, train)(args, layout)
    result["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result["version"] = torch.__version__
    if int(os.environ.get("RANK", 0)) == 0:
        print(json.dumps(result))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
