#!/usr/bin/env python3
"""Tar shards of growing numbers of images: do memory, start-up and speed stay flat?

  shards.py THAW FOLDER [--images 10000,100000,1000000] [--ranks 2] [--lanes 8]

For each number it generates that many small images (IDX files of 28 x 28, which take FOLDER 0.8 GB per million), packs
them into shards on all ranks (3 GB per million), runs `thaw check` on the shards if the program has it, and trains the head
of the built-in network for one epoch. Prints one JSON line each: seconds of packing, megabytes of shards, seconds from
the start to the first step, images/s of the epoch with its evaluation, and the largest memory of a rank in megabytes:
its own (RssAnon, looked at four times per second), what the ranks of the node share (RssShmem), and all with the pages
of programs (ru_maxrss). Run it on an idle machine; a million images take about 15 minutes on two cores. FOLDER is left
as it is found, except for what it makes there.
"""
import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import struct
import subprocess
import sys
import time

SIDE, CLASSES, TEST = 28, 10, 1000
ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def write_idx(folder, prefix, count, seed):
    """Each image is a bright square on noise; its position is its class."""
    rng = random.Random(seed)
    noise = rng.randbytes(SIDE * SIDE + 4096).translate(bytes(i // 4 for i in range(256)))
    with open(folder / f"{prefix}-images-idx3-ubyte", "wb") as images, \
            open(folder / f"{prefix}-labels-idx1-ubyte", "wb") as labels:
        images.write(struct.pack(">IIII", 2051, count, SIDE, SIDE))
        labels.write(struct.pack(">II", 2049, count))
        for i in range(count):
            start = rng.randrange(4096)
            pixels = bytearray(noise[start:start + SIDE * SIDE])
            label = rng.randrange(CLASSES)
            for row in range(8):
                at = (2 + 12 * (label // 5) + row) * SIDE + 5 * (label % 5)
                pixels[at:at + 5] = bytes((160 + i % 90,)) * 5
            images.write(pixels)
            labels.write(bytes((label,)))


def run(ranks, command, **more):
    launcher = ["mpirun", "--oversubscribe", "-np", str(ranks)]
    return subprocess.run(launcher + command, env=ENVIRONMENT, check=True, **more)


def memory_of(pid):
    """Kilobytes by kind; nothing once the process has ended."""
    try:
        lines = open(f"/proc/{pid}/status").read().splitlines()
    except OSError:
        return {}
    fields = dict(line.split(":", 1) for line in lines)
    return {kind: int(fields[kind].split()[0]) for kind in ("RssAnon", "RssShmem") if kind in fields}


def as_rank(argv):
    """Started by mpirun: runs the program, then prints the memory that it took at most."""
    process, most = subprocess.Popen(argv), {}
    while process.poll() is None:
        for kind, kilobytes in memory_of(process.pid).items():
            most[kind] = max(most.get(kind, 0), kilobytes)
        time.sleep(0.25)
    most["all"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print("memory " + json.dumps(most), file=sys.stderr)
    sys.exit(process.returncode)


def train(args, shards, out):
    command = ["mpirun", "--oversubscribe", "-np", str(args.ranks), sys.executable, __file__, "--as-rank", args.thaw, "train",
               "--data", str(shards), "--out", str(out), "--model", "builtin", "--unfreeze", "head", "--epochs", "1",
               "--lanes", str(args.lanes), "--batch", str(32 * args.lanes), "--cache", "off"]
    begin, first, memory = time.time(), None, {}
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if line.startswith("training: "):
            first = time.time() - begin
        for text in line.split("memory ")[1:]:  # mpirun may join the lines of two ranks
            for kind, kilobytes in json.JSONDecoder().raw_decode(text)[0].items():
                memory[kind] = max(memory.get(kind, 0), kilobytes)
    if process.wait() != 0:
        sys.exit("the training failed")
    events = [json.loads(line) for line in open(out / "metrics.jsonl")]
    return first, memory, [e["seconds"] for e in events if e["event"] == "epoch"][-1]


def measure(args, count):
    idx, shards, out = (args.folder / f"{name}-{count}" for name in ("idx", "shards", "run"))
    idx.mkdir(parents=True)
    write_idx(idx, "train", count, 1)
    write_idx(idx, "t10k", TEST, 2)
    begin = time.time()
    run(args.ranks, [args.thaw, "pack", str(idx), str(shards), "--shards", str(8 * args.lanes), "--lanes", str(args.lanes)],
        stdout=subprocess.DEVNULL)
    packed = time.time() - begin
    row = {"images": count, "pack_seconds": round(packed, 1),
           "megabytes": round(sum(p.stat().st_size for p in shards.glob("*.tar")) / 1e6)}
    if subprocess.run([args.thaw, "check", "--help"], capture_output=True).returncode == 0:
        begin = time.time()
        run(args.ranks, [args.thaw, "check", str(shards)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        row["check_seconds"] = round(time.time() - begin, 1)
    first, memory, seconds = train(args, shards, out)
    row |= {"start_seconds": round(first, 2)}
    for kind, name in (("RssAnon", "own"), ("RssShmem", "shared"), ("all", "all")):
        row[f"{name}_megabytes"] = round(memory[kind] / 1e3, 1)
    row["images_per_second"] = round((count + TEST) / seconds)  # the test images take the same way through the network
    print(json.dumps(row), flush=True)
    for path in (idx, shards, out):
        shutil.rmtree(path)


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--as-rank":
        as_rank(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("thaw", type=os.path.realpath)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--images", default="10000,100000,1000000")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--lanes", type=int, default=8)
    args = parser.parse_args()
    for count in args.images.split(","):
        measure(args, int(count))


main()
