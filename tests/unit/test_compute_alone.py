"""A thread that computes alone starts no helpers, and takes none from others."""

import json
import os
import subprocess
import sys

import pytest

CODE = """
import json, os, threading, torch
from firered.runtime.threads import compute_alone

def tasks():
    return len(os.listdir("/proc/self/task"))

def run(alone):
    if alone:
        compute_alone()
    before = tasks()
    product = torch.ones(512, 512) @ torch.ones(512, 512)
    found.append((torch.get_num_threads(), tasks() - before, product.mean().item()))

found = []
torch.set_num_threads(4)
for alone in (True, False):
    thread = threading.Thread(target=run, args=(alone,))
    thread.start()
    thread.join()
print(json.dumps(found))
assert torch.get_num_threads() == 4
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_it_starts_no_other_threads_and_others_do():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    (alone, helpers, product), (_, others, same) = json.loads(done.stdout)
    assert (alone, helpers) == (1, 0)
    assert product == same == 512.0
    assert others > 0 or os.cpu_count() == 1
