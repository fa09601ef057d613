import os
import subprocess
import sys

from loadtest.process_tree import read_process, read_tree, total_cpu_s


def test_the_own_process_has_used_something():
    use = read_process(os.getpid())
    assert use.pid == os.getpid()
    assert use.parent_pid == os.getppid()
    assert use.resident_bytes > 1_000_000
    assert total_cpu_s([use, use]) == 2 * use.cpu_s > 0


def test_children_belong_to_the_tree():
    command = [sys.executable, "-c", "print('up', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        tree = [use.pid for use in read_tree(os.getpid())]
        child.stdin.close()
    assert tree[0] == os.getpid()
    assert child.pid in tree


def test_a_process_that_is_gone_has_no_tree():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert read_process(child.pid) is None
    assert read_tree(child.pid) == []
