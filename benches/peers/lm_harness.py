"""Runs each measurement of the lm_*.py scripts in its own process on one pinned thread, and prints one JSON line for each.

A line: name, peer, version, seconds and cpu_seconds (one a repeat, after one unmeasured; on a busy machine the second is the one to compare), tokens (of one repeat), peak_rss_mb (of the process, VmHWM) and import_rss_mb (what
the imports alone take, to be subtracted or not as one likes), parameters where there is a model.
"""

import argparse
import json
import os
import subprocess
import sys
import time

ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")}


def resident(field):
    """VmHWM (peak) or VmRSS of this process, in MB of 10⁶ bytes."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field):
                return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/self/status has no {field}")


def timed(work, repeats):
    """Wall and processor seconds of each repeat, after one that is not counted."""
    work()
    seconds = []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        seconds.append((time.perf_counter() - wall, time.process_time() - processor))
    return seconds


def child(measure, name, repeats):
    import torch
    import transformers

    torch.set_num_threads(1)
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    imported = resident("VmRSS")
    result = measure(repeats)
    result = {"name": name, "peer": result.pop("peer"), "version": f"torch {torch.__version__}, transformers {transformers.__version__}",
              "seconds": [round(wall, 5) for wall, _ in result["seconds"]], "cpu_seconds": [round(cpu, 5) for _, cpu in result.pop("seconds")], **result, "peak_rss_mb": round(resident("VmHWM"), 1), "import_rss_mb": round(imported, 1)}
    print(json.dumps(result), flush=True)


def main(description, measurements):
    """`measurements`: name → function of the number of repeats, which returns at least `peer`, `seconds` and `tokens`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", metavar="NAME", nargs="*", help="names, or beginnings of names")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--cpu", type=int, default=0, help="the core to stay on")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(measurements[options.child], options.child, options.repeats)
    chosen = [n for n in measurements if not options.only or any(n.startswith(o) for o in options.only)]
    if not chosen:
        sys.exit(f"no measurement begins with {options.only}; there are {', '.join(measurements)}")
    for name in chosen:
        if options.list:
            print(name)
            continue
        pin = (lambda: os.sched_setaffinity(0, {options.cpu})) if hasattr(os, "sched_setaffinity") else None
        command = [sys.executable, sys.argv[0], "--child", name, "--repeats", str(options.repeats)]
        if subprocess.run(command, env=os.environ | ONE_THREAD, preexec_fn=pin).returncode:
            sys.exit(f"{name} failed")
