"""One measurement of PyTorch, as one JSON line: what compare.py holds against thaw.

  pytorch.py steps NETWORK --bn lane --batch 32 --steps 5                    training steps on noise, all layers
  pytorch.py train NETWORK --cut layer4,fc --head fc --weights W.pth --data D --epochs 2    a fine-tune as is usual

With RANK and WORLD_SIZE in the environment it is one of several DDP processes over gloo; each has one thread.
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


def steps(args, layout):
    net = build(args.network, 1000).to(memory_format=layout)
    set_mode(net, args.bn)
    model = parallel(net)
    x = torch.randn(args.batch, 3, SIDE, SIDE).to(memory_format=layout)
    y = torch.arange(args.batch) % 1000
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9)
    seconds = []
    for _ in range(args.steps + 1):
        begin = time.time()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        seconds.append(time.time() - begin)
    median = sorted(seconds[1:])[args.steps // 2]
    return {"images_per_second": args.batch * int(os.environ.get("WORLD_SIZE", 1)) / median}


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


def train(args, layout):
    finish = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    augment = v2.Compose([v2.RandomResizedCrop(SIDE, (0.35, 1), antialias=True), v2.RandomHorizontalFlip(), *finish])
    plain = v2.Compose([v2.Resize(256, antialias=True), v2.CenterCrop(SIDE), *finish])
    training = batches(Pictures(args.data + "/train", augment), args.batch, True)
    test = batches(Pictures(args.data + "/test", plain), args.batch, False)
    classes = len(os.listdir(args.data + "/train"))
    state = {k: v for k, v in torch.load(args.weights, weights_only=True).items() if not k.startswith(args.head + ".")}
    net = build(args.network, classes)
    net.load_state_dict(state, strict=False)
    net = net.to(memory_format=layout)
    prefixes = [p + "." for p in args.cut.split(",")]
    for name, p in net.named_parameters():
        p.requires_grad = any(name.startswith(prefix) for prefix in prefixes)
    model = parallel(net)
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=args.lr, momentum=0.9, weight_decay=1e-4)
    total = args.epochs * len(training)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, total, pct_start=0.05)
    begin, epochs, right = time.time(), [], 0
    for _ in range(args.stop or args.epochs):
        set_mode(net, args.bn)
        for x, y in training:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x.to(memory_format=layout)), y).backward()
            optimizer.step()
            schedule.step()
        net.eval()
        right = seen = 0
        with torch.inference_mode():
            for x, y in test:
                right += int((net(x.to(memory_format=layout)).argmax(1) == y).sum())
                seen += len(y)
        count = torch.tensor([right, seen])
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(count)
        right, seen = count.tolist()
        epochs.append(time.time() - begin - sum(epochs))
    return {"start_seconds": begin - start, "epoch_seconds": epochs, "top1": right / seen}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["steps", "train"])
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
    parser.add_argument("--contiguous", action="store_true", help="NCHW in memory; else channels_last")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        torch.distributed.init_process_group("gloo")
    layout = torch.contiguous_format if args.contiguous else torch.channels_last
    result = (steps if args.what == "steps" else train)(args, layout)
    result["peak_rss_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result["version"] = torch.__version__
    if int(os.environ.get("RANK", 0)) == 0:
        print(json.dumps(result))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
