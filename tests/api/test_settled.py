"""A serving process looks for garbage among all that lives once a minute, not while it replies."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, time, weakref
from fastapi import FastAPI
from app.api import main

class Node:
    pass

main.FULL_COLLECTION_SECONDS = float({seconds})
full = []
gc.callbacks.append(lambda phase, info: phase == "start" and info["generation"] == 2 and full.append(phase))
main.settled(FastAPI())
settled, frozen = len(full), gc.get_freeze_count()
node = Node()
node.itself, seen = node, weakref.ref(node)
gc.collect(1)
del node
kept = [[i] for i in range(400_000)]
until = time.monotonic() + {wait}
while seen() is not None and time.monotonic() < until:
    time.sleep(0.01)
print(frozen > 10_000, len(full) > settled, seen() is None)
"""


def _said(seconds: float, wait: float) -> list[str]:
    program = PROGRAM.format(seconds=seconds, wait=wait)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def test_many_new_objects_start_no_full_collection():
    assert _said(seconds=600.0, wait=0.0) == ["True", "False", "False"]


def test_what_refers_to_itself_is_found_in_time():
    assert _said(seconds=0.2, wait=30.0) == ["True", "True", "True"]
