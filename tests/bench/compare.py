#!/usr/bin/env python3
"""Thaw against PyTorch on this machine, one after the other in turn, medians and their ratio.

  compare.py all  NETWORK [--bn lane] [--ranks 2]               everything unfrozen, training steps on noise
  compare.py last NETWORK --weights W.pth --data D [--ranks 2]  the last stage, 10 epochs, from start to finish
  compare.py head NETWORK --weights W.pth --data D [--ranks 2]  the classifier, the same

NETWORK is one of torchvision's, efficientnet_lite0, or timm:NAME, which Thaw gets as ONNX (`all` only; needs timm, onnx).
D holds train/ and test/ with a folder of pictures per class. Without --weights the network gets random ones, the same
on both sides. Each process has one thread; PyTorch lays images out as channels_last unless --contiguous is given. An
epoch of PyTorch costs what the one before did, so --stop 2 measures two and counts the others like the last. Needs
torch, torchvision, and thaw in build/ (--build says otherwise). OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are unset; the
kernel is printed.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

CUTS = {  # --unfreeze of the last stage, and its parameters' prefixes; the classifier's
    "resnet18": ("from:layer4.0", "layer4,fc", "fc"),
    "resnet50": ("from:layer4.0", "layer4,fc", "fc"),
    "vgg16": ("from:features.24", "features.24,features.26,features.28,classifier", "classifier.6"),
    "mobilenet_v2": ("from:features.14", "features.14,features.15,features.16,features.17,features.18,classifier",
                     "classifier.1"),
    "efficientnet_lite0": ("from:_blocks.11", "_blocks.11,_blocks.12,_blocks.13,_blocks.14,_blocks.15,_conv_head,_bn1,"
                           "_fc", "_fc"),
}
BATCH = {"vgg16": 8}  # of a process; 32 for the others
HERE = os.path.dirname(os.path.abspath(__file__))
ENV = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
ENV.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1",
           OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def mpirun(ranks):
    return ["mpirun", "-np", str(ranks), "--bind-to", "core"] if ranks > 1 else []


def run(command, env=ENV):
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def pytorch(args, *flags):
    """RANK and WORLD_SIZE processes of pytorch.py; the line of rank 0."""
    command = [sys.executable, HERE + "/pytorch.py", *flags, "--bn", args.bn, "--batch", str(args.batch)]
    command += ["--contiguous"] if args.contiguous else []
    if args.ranks == 1:
        return run(command)
    env = dict(ENV, WORLD_SIZE=str(args.ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT="29511")
    others = [subprocess.Popen(["taskset", "-c", str(r), *command], env=dict(env, RANK=str(r)),
                               stdout=subprocess.DEVNULL) for r in range(1, args.ranks)]
    result = run(["taskset", "-c", "0", *command], dict(env, RANK="0"))
    for other in others:
        other.wait()
    return result


def thaw_model(args, folder):
    """What --model takes: a family's name, or the network exported to a file."""
    if not args.network.startswith("timm:"):
        return args.network
    path = folder + "/network.onnx"
    export = ("import sys, torch, pytorch; torch.manual_seed(1); net = pytorch.build(sys.argv[1], 1000).eval(); "
              "torch.onnx.export(net, torch.randn(2, 3, 224, 224), sys.argv[2], opset_version=17, dynamo=False, "
              "training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, "
              "input_names=['image'], dynamic_axes={'image': {0: 'N'}})")
    if not os.path.exists(path):
        subprocess.run([sys.executable, "-W", "ignore", "-c", export, args.network, path],
                       env=dict(ENV, PYTHONPATH=HERE), stdout=subprocess.DEVNULL, check=True)
    return path


def all_layers(args, folder):
    model = thaw_model(args, folder)
    thaw = run(mpirun(args.ranks) + [args.build + "/thaw", "bench", "--json", "--model", model, "--bn", args.bn,
                                     "--batch", str(args.batch), "--steps", str(args.steps)])
    torch = pytorch(args, "steps", args.network, "--steps", str(args.steps))
    return {"thaw": thaw["images_per_second"], "pytorch": torch["images_per_second"],
            "ratio": thaw["images_per_second"] / torch["images_per_second"],
            "thaw_mib": thaw["peak_rss_bytes"] >> 20, "pytorch_mib": torch["peak_rss_bytes"] >> 20,
            "share_of_sgemm_peak": thaw["gemm_peak_share"], "sgemm_gflops": thaw["gemm_peak_gflops"],
            "blas_kernel": thaw["blas_kernel"], "pytorch_version": torch["version"]}


def random_weights(args, folder):
    path = folder + "/weights.pth"
    save = ("import sys, torch, pytorch; torch.manual_seed(1); "
            "torch.save(pytorch.build(sys.argv[1], 1000).state_dict(), sys.argv[2])")
    subprocess.run([sys.executable, "-c", save, args.network, path], env=dict(ENV, PYTHONPATH=HERE), check=True)
    return path


def fine_tune(args, folder):
    unfreeze, cut, head = CUTS[args.network]
    if args.row == "head":
        unfreeze, cut = "head", head
    weights = args.weights or random_weights(args, folder)
    model = weights if args.weights else args.network + ":" + weights
    out = tempfile.mkdtemp(dir=folder)
    begin = time.time()
    train = [args.build + "/thaw", "train", "--model", model, "--data", args.data, "--out", out + "/run",
             "--unfreeze", unfreeze, "--epochs", str(args.epochs), "--lanes", str(args.ranks),
             "--batch", str(args.ranks * args.batch), "--lr", str(args.lr), "--bn", args.bn, *args.thaw.split()]
    process = subprocess.Popen(mpirun(args.ranks) + train, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # the largest process below mpirun counts
    if status:
        raise subprocess.CalledProcessError(status, train)
    ours = time.time() - begin
    begin = time.time()
    torch = pytorch(args, "train", args.network, "--cut", cut, "--head", head, "--weights", weights, "--data",
                    args.data, "--epochs", str(args.epochs), "--stop", str(args.stop), "--lr", str(args.lr))
    theirs = time.time() - begin
    left = args.epochs - len(torch["epoch_seconds"])
    with open(out + "/run/result.json") as f:
        result = json.load(f)
    theirs += left * torch["epoch_seconds"][-1]
    return {"thaw_seconds": ours, "pytorch_seconds": theirs, "ratio": theirs / ours, "thaw_top1": result["top1"],
            "pytorch_top1": None if left else torch["top1"], "pytorch_epochs_measured": args.epochs - left,
            "thaw_mib": usage.ru_maxrss >> 10, "pytorch_mib": torch["peak_rss_bytes"] >> 20,
            "pytorch_version": torch["version"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=["all", "last", "head"])
    parser.add_argument("network")
    parser.add_argument("--bn", default="frozen", choices=["frozen", "lane"])
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--stop", type=int, default=0, help="PyTorch: measure only so many epochs")
    parser.add_argument("--lr", type=float, help="0.01 with --weights; random ones, which it may take to infinity, 1e-6")
    parser.add_argument("--weights")
    parser.add_argument("--data")
    parser.add_argument("--build", default="build")
    parser.add_argument("--contiguous", action="store_true")
    parser.add_argument("--thaw", default="--views 1", help="more flags of thaw train")
    args = parser.parse_args()
    if args.network not in CUTS and not (args.row == "all" and args.network.startswith("timm:")):
        parser.error(f"{args.network}: one of {', '.join(CUTS)}, or with `all` timm:NAME")
    args.batch = BATCH.get(args.network, 32)
    args.lr = args.lr or (0.01 if args.weights else 1e-6)
    with tempfile.TemporaryDirectory() as folder:
        rounds = [all_layers(args, folder) if args.row == "all" else fine_tune(args, folder) for _ in range(args.rounds)]
    line = {"row": args.row, "network": args.network, "bn": args.bn, "ranks": args.ranks, "batch": args.batch}
    for key, value in rounds[0].items():
        numbers = [r[key] for r in rounds]
        line[key] = statistics.median(numbers) if isinstance(value, (int, float)) else value
    line["ratios"] = [round(r["ratio"], 3) for r in rounds]
    print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in line.items()}), flush=True)


main()
