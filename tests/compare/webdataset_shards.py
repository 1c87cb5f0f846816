#!/usr/bin/env python3
"""Tar shards between programs: webdataset and tar write, Thaw reads; Thaw writes, webdataset reads.

  webdataset_shards.py THAW PICTURES

PICTURES: a folder of pictures per class. Compares the number of images of each class, and the bytes and label of every
image that comes back. Needs webdataset and tar; works in a temporary folder. Prints a line for each direction.
"""
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import webdataset


def counts(thaw, shards):
    """Images of each class that Thaw finds, in all splits."""
    found = json.loads(subprocess.run([thaw, "inspect", "--data", shards, "--json"], check=True, text=True,
                                      stdout=subprocess.PIPE).stdout)
    return collections.Counter({row["name"]: row["training"] + row["test"] for row in found["per_class"]})


def main():
    thaw, pictures = sys.argv[1], pathlib.Path(sys.argv[2])
    classes = sorted(p.name for p in pictures.iterdir() if p.is_dir())
    files = [(c, f) for c in classes for f in sorted((pictures / c).iterdir())]
    wanted = collections.Counter(c for c, _ in files)
    with tempfile.TemporaryDirectory() as scratch:
        work = pathlib.Path(scratch)
        for name in ("written", "tarred"):
            (work / name).mkdir()
        with webdataset.ShardWriter(f"{work}/written/%06d.tar", maxcount=100, verbose=0) as shards:
            for n, (c, f) in enumerate(files):
                shards.write({"__key__": f"{n:06d}", "jpg": f.read_bytes(), "cls": classes.index(c)})
        (work / "written/classnames.txt").write_text("\n".join(classes) + "\n")
        assert counts(thaw, work / "written") == wanted
        print(f"{len(files)} images written by webdataset {webdataset.__version__}, read by Thaw")

        subprocess.run(["tar", "-C", pictures, "-cf", work / "tarred/all.tar", *classes], check=True)
        assert counts(thaw, work / "tarred") == wanted
        print(f"{len(files)} images written by tar, read by Thaw")

        subprocess.run([thaw, "pack", pictures, work / "packed", "--shards", "7"], check=True,
                       stdout=subprocess.DEVNULL)
        left = collections.Counter((f.read_bytes(), classes.index(c)) for c, f in files)
        for sample in webdataset.WebDataset(sorted(map(str, (work / "packed").glob("*.tar"))), shardshuffle=False):
            left[sample["jpg"], int(sample["cls"])] -= 1
        assert not any(left.values())
        print(f"{len(files)} images written by thaw pack, read by webdataset")


main()
