#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times clade_sr from file to file on two made-up volumes with a full-size network of random weights.

    bench/bench_volume.py [--program build/bin/clade_sr] [--device auto] [--rounds 3] [--json FILE]

The sizes are those of a brain at stride 12 (330 x 128 x 185 after interpolation) and of an abdomen at stride 6
(320 x 320 x 118). What is in the voxels does not change the work. Needs nothing but Python.
"""

import argparse
import array
import gzip
import json
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Acquired size, spacing across the slices in mm (1 mm within), stride.
VOLUMES = {"330x128x185, stride 12": ((330, 128, 37), 5.0, 12), "320x320x118, stride 6": ((320, 320, 59), 2.0, 6)}
CHANNELS, BLOCKS = 64, 6


def write_volume(path, size, spacing):
    """NIfTI-1, int16: an ellipsoid with noise in it, air around."""
    rng = random.Random(1)
    noise = [rng.randrange(300, 700) for _ in range(4096)]
    voxels = array.array("h")
    for k in range(size[2]):
        for j in range(size[1]):
            rest = 1.0 - (2 * k / size[2] - 1) ** 2 - (2 * j / size[1] - 1) ** 2
            half = int(0.5 * size[0] * max(rest, 0.0) ** 0.5)
            begin = size[0] // 2 - half
            first = rng.randrange(4096 - size[0])
            line = [0] * size[0]
            line[begin:begin + 2 * half] = noise[first:first + 2 * half]
            voxels.extend(line)
    header = struct.pack("<i28xihcc", 348, 16384, 0, b"r", b"\0")
    header += struct.pack("<8h", 3, *size, 1, 1, 1, 1)
    header += struct.pack("<3f4h", 0, 0, 0, 0, 4, 16, 0)  # int16
    header += struct.pack("<8f", 1, 1, 1, spacing, 0, 0, 0, 0)
    header += struct.pack("<3fh2b4f2i", 352, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0)  # lengths in mm
    header += struct.pack("<80s24s2h6f", b"", b"", 0, 1, 0, 0, 0, 0, 0, 0)
    header += struct.pack("<12f16s4s4x", 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, spacing, 0, b"", b"n+1\0")
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header + voxels.tobytes())


def write_model(path):
    """A generator with nearest upsampling and random weights."""
    c = CHANNELS
    layers = {"encoder.0": (c, 1, 7), "encoder.1": (2 * c, c, 3), "encoder.2": (4 * c, 2 * c, 3)}
    layers.update({f"residual.{i}.conv{j}": (4 * c, 4 * c, 3) for i in range(BLOCKS) for j in (1, 2)})
    layers.update({"decoder.0": (2 * c, 4 * c, 3), "decoder.1": (c, 2 * c, 3), "decoder.2": (1, c, 7)})
    rng = random.Random(2)
    pattern = array.array("f", (rng.gauss(0.0, 0.02) for _ in range(10007)))
    header, data = {"__metadata__": {"norm": "demod", "patch": "32"}}, bytearray()

    def add(name, shape, values):
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(values)]}
        data.extend(values.tobytes())

    for name, (cout, cin, k) in layers.items():
        count = cout * cin * k * k
        add(f"generator_x.{name}.weight", [cout, cin, k, k], (pattern * (count // len(pattern) + 1))[:count])
        add(f"generator_x.{name}.bias", [cout], array.array("f", bytes(4 * cout)))
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build" / "bin" / "clade_sr")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_model(folder / "model.safetensors")
        for name, (size, spacing, stride) in VOLUMES.items():
            write_volume(folder / "in.nii.gz", size, spacing)
            for output in ("out.nii", "out.nii.gz"):
                command = [options.program, "-m", folder / "model.safetensors", "-i", folder / "in.nii.gz", "-o",
                           folder / output, "--stride", str(stride), "--device", options.device, "--force"]
                times = []
                for _ in range(options.rounds):
                    begin = time.perf_counter()
                    run = subprocess.run(command, stderr=subprocess.PIPE, text=True)
                    times.append(time.perf_counter() - begin)
                    if run.returncode != 0:
                        sys.exit(f"bench_volume: clade_sr failed: {run.stderr.strip()}")
                results.append({"volume": name, "output": output, "seconds": times,
                                "median_seconds": statistics.median(times)})
                print(f"{name}, {output[4:]}: {statistics.median(times):.2f} s", flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
