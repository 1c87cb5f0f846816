"""What compare.py and inference.py share: networks, processes pinned to cores, and rounds of alternating runs."""
import json
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
ENV.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1",
           OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", PYTHONWARNINGS="ignore")
BATCH = {"vgg16": 8, "timm:vit_base_patch16_224": 8}  # of a process; 32 for the others
TABLE = ["resnet18", "resnet50", "vgg16", "mobilenet_v2", "timm:vit_tiny_patch16_224", "timm:convnext_tiny"]
NEAR = 0.8  # peers that are slower than this share of the best one in the first round are not repeated


def mpirun(ranks):
    return ["mpirun", "-np", str(ranks), "--bind-to", "core"] if ranks > 1 else ["taskset", "-c", "0"]


def last_line(text):
    return json.loads(text.strip().splitlines()[-1])


def run(command, env=ENV):
    return last_line(subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout)


def together(command, ranks, environment=lambda rank: ENV):
    """The command on each of the first `ranks` cores at once: the lines of all."""
    processes = [subprocess.Popen(["taskset", "-c", str(r), *command], env=environment(r), stdout=subprocess.PIPE,
                                  text=True) for r in range(ranks)]
    outputs = [p.communicate()[0] for p in processes]
    for process in processes:
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
    return [last_line(out) for out in outputs if out.strip()]


def export(network, path, training):
    """Writes the network with random weights as ONNX; `training`: as it was, without folded constants."""
    mode = ("training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False, " if training else "")
    code = ("import sys, torch, pytorch; torch.manual_seed(1); net = pytorch.build(sys.argv[1], 1000).eval(); "
            "torch.onnx.export(net, torch.randn(2, 3, 224, 224), sys.argv[2], opset_version=17, dynamo=False, " + mode +
            "input_names=['image'], dynamic_axes={'image': {0: 'N'}})")
    if not os.path.exists(path):
        subprocess.run([sys.executable, "-W", "ignore", "-c", code, network, path],
                       env=dict(ENV, PYTHONPATH=HERE), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return path


def thaw_model(network, folder):
    """What --model takes: a family's name, or the network exported to a file."""
    return export(network, folder + "/network.onnx", True) if network.startswith("timm:") else network


def thaw_bench(args, network, folder, precision, unfreeze):
    rank = getattr(args, "lora", 0)
    model = network.removeprefix("timm:") if rank else thaw_model(network, folder)  # adapters are for families
    line = run(mpirun(args.ranks) + [
        args.build + "/thaw", "bench", "--json", "--model", model, "--unfreeze", unfreeze, "--bn", args.bn, "--batch",
        str(BATCH.get(network, 32)), "--steps", str(args.steps), "--precision", precision,
        *(["--tune", f"lora:{rank}"] if rank else [])])
    peak = line.get("bf16_peak_gflops", line["gemm_peak_gflops"])
    layers = [dict(layer, ms=layer["forward_ms"] + layer["backward_ms"]) for layer in line["layers"]]
    # Worst is what loses most time against the peak.
    layers.sort(key=lambda layer: -layer["ms"] * (1 - min(1, layer["peak_share"])))
    return {"speed": line["images_per_second"], "mib": line["peak_rss_bytes"] / 2**20,
            "tail_mib": line["tail_bytes"] / 2**20, "peak_gflops": peak, "sgemm_gflops": line["gemm_peak_gflops"],
            "peak_share": line.get("bf16_peak_share", line["gemm_peak_share"]), "sgemm_share": line["gemm_peak_share"],
            "worst": [[layer["name"], layer["op"], round(layer["ms"], 1), round(layer["peak_share"], 2)]
                      for layer in layers[:3]],
            "blas_kernel": line["blas_kernel"]}


def medians(lines):
    """One line of several: medians of numbers, the last of other values."""
    return {key: statistics.median(line[key] for line in lines) if isinstance(value, (int, float)) else value
            for key, value in lines[-1].items()}


def rounded(value):
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else \
        float(f"{value:.4g}") if isinstance(value, float) else value


def alternate(args, ours, peers):
    """Runs all in turn, args.rounds times. ours: {precision: call}; peers: {name that begins with the precision: call};
    a call gives a line with "speed". fp32 is measured in args.fp32_rounds rounds only."""
    lines = {}
    for number in range(args.rounds):
        fp32 = number < args.fp32_rounds
        runs = [(name, call) for name, call in ours.items() if fp32 or name != "fp32" or len(ours) == 1]
        best = max((lines[name][0]["speed"] for name in peers if name in lines), default=0)
        best32 = max((lines[n][0]["speed"] for n in peers if n in lines and n.startswith("fp32")), default=0)
        for name, call in peers.items():
            near = number == 0 or lines[name][0]["speed"] >= NEAR * best
            if near or fp32 and name.startswith("fp32") and lines[name][0]["speed"] == best32:
                runs.append((name, call))
        for name, call in runs:
            lines.setdefault(name, []).append(call())
            print(f"  {name}: {lines[name][-1]['speed']:.3g}", file=sys.stderr, flush=True)
    return lines


def summary(lines, ours, peers):
    """Medians, and the ratios of ours over the best peer, round by round; `fp32`: over the best peer in fp32."""
    speed = {name: statistics.median(line["speed"] for line in rounds) for name, rounds in lines.items()}
    best = max(peers, key=speed.get)
    result = {"best": best, "thaw": {name: medians(lines[name]) for name in ours},
              "peers": {name: dict(medians(lines[name]), rounds=len(lines[name])) for name in peers}, "ratios": {}}
    for name in ours:
        pairs = zip(lines[name], lines[best])
        result["ratios"][name] = [a["speed"] / b["speed"] for a, b in pairs]
    result["ratio"] = {name: statistics.median(values) for name, values in result["ratios"].items()}
    fp32 = [name for name in peers if name.startswith("fp32")]
    if "fp32" in ours and fp32:
        result["fp32_ratio"] = speed["fp32"] / max(speed[name] for name in fp32)
    return result


def measure(args, key, contestants):
    """Prints the line of a network, unless --out has one with the members of `key`. contestants(args, network, folder)
    are ours and the peers."""
    if finished(args, key):
        return
    with tempfile.TemporaryDirectory() as folder:
        ours, peers = contestants(args, key["network"], folder)
        write(args, key | summary(alternate(args, ours, peers), ours, peers))


def arguments(parser):
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"], help="Thaw's")
    parser.add_argument("--ranks", type=int, default=1, help="processes, each on its core")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fp32-rounds", type=int, default=1, help="of them with fp32")
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", help="append lines to this file, and skip what it already has")


def finished(args, key):
    """Whether --out has a line with these members."""
    if not args.out or not os.path.exists(args.out):
        return False
    with open(args.out) as f:
        return any(key.items() <= json.loads(line).items() for line in f)


def write(args, line):
    text = json.dumps(rounded(line))
    print(text, flush=True)
    if args.out:
        with open(args.out, "a") as f:
            f.write(text + "\n")
