"""One process at a time in a folder: on this machine by the kernel, on others by signs of life."""

import dataclasses
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from mslt_tf.errors import UserError
from mslt_tf.files import folder_lock

HOLD = """
import sys, time
from mslt_tf.files import folder_lock
with folder_lock.held(sys.argv[1], report=print):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_process(tmp_path):
    """A process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def hold(folder, report=pytest.fail):
    with folder_lock.held(str(folder), report=report):
        return folder_lock.read_holder(str(folder))


def write_holder(folder, *, age, **changes):
    """Leaves the lock of another machine, which gave its last sign `age` seconds ago."""
    own = dataclasses.asdict(hold(folder))
    path = folder / folder_lock.LOCK_FILE
    other = own | {"host": "elsewhere", "machine": "another", "token": "t", **changes}
    path.write_text(json.dumps(other))
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def test_a_holder_is_named_and_its_lock_goes_with_it(tmp_path):
    holder = hold(tmp_path)
    assert holder.process == os.getpid()
    assert list(tmp_path.iterdir()) == []
    assert folder_lock.read_holder(str(tmp_path)) is None


def test_a_second_process_is_refused_and_names_the_first(tmp_path, other_process):
    message = rf"in use by process {other_process.pid} on .*, since 20.*: wait for its end"
    with pytest.raises(UserError, match=message):
        hold(tmp_path)
    with pytest.raises(UserError, match=message):
        folder_lock.check_free(str(tmp_path))
    assert other_process.poll() is None


def test_a_holder_is_found_where_only_who_may_write_gets_an_exclusive_lock(
    tmp_path, other_process, monkeypatch
):
    """As on NFS, see flock(2)."""

    def flock(descriptor, operation, *, given=fcntl.flock):
        is_read_only = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        if operation & fcntl.LOCK_EX and is_read_only:
            raise OSError(errno.EBADF, "Bad file descriptor")
        given(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UserError, match=f"in use by process {other_process.pid}"):
        folder_lock.check_free(str(tmp_path))
    other_process.kill()
    other_process.wait()
    folder_lock.check_free(str(tmp_path))


def test_without_locks_of_the_kernel_a_holder_shows_that_it_lives_by_signs(
    tmp_path, other_process, monkeypatch
):
    def flock(*_):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(UserError, match=f"in use by process {other_process.pid}"):
        folder_lock.check_free(str(tmp_path))
    other_process.kill()
    other_process.wait()
    long_ago = time.time() - folder_lock.STALE_SECONDS - 1
    os.utime(tmp_path / folder_lock.LOCK_FILE, (long_ago, long_ago))
    folder_lock.check_free(str(tmp_path))


def test_a_remote_folder_in_use_by_this_machine_is_refused():
    tf.io.gfile.makedirs("ram://run")
    held = folder_lock.held("ram://run", report=pytest.fail)
    with held, pytest.raises(UserError, match=f"in use by process {os.getpid()}"):
        folder_lock.check_free("ram://run")
    folder_lock.check_free("ram://run")


def test_a_killed_holder_is_in_nobodys_way(tmp_path, other_process):
    other_process.send_signal(signal.SIGKILL)
    other_process.wait()
    assert (tmp_path / folder_lock.LOCK_FILE).exists()
    folder_lock.check_free(str(tmp_path))
    assert hold(tmp_path).process == os.getpid()


def test_the_lock_of_a_killed_holder_can_be_cleared_away(tmp_path, other_process):
    path = tmp_path / folder_lock.LOCK_FILE
    folder_lock.remove_dead(str(tmp_path))
    assert path.exists()  # it lives
    other_process.kill()
    other_process.wait()
    folder_lock.remove_dead(str(tmp_path))
    folder_lock.remove_dead(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    path = write_holder(tmp_path, age=folder_lock.STALE_SECONDS - 2)
    folder_lock.remove_dead(str(tmp_path))
    assert path.exists()  # it may live


def test_a_holder_on_another_machine_that_gave_no_sign_for_long_is_taken_for_dead(tmp_path):
    write_holder(tmp_path, age=folder_lock.STALE_SECONDS + 5)
    folder_lock.check_free(str(tmp_path))
    lines = []
    assert hold(tmp_path, lines.append).process == os.getpid()
    (line,) = lines
    assert "on elsewhere" in line
    assert "taken for dead" in line


def test_a_holder_on_another_machine_is_watched_until_it_gives_a_sign(tmp_path):
    path = write_holder(tmp_path, age=folder_lock.STALE_SECONDS - 8)
    lines = []

    def report(line):
        lines.append(line)
        os.utime(path)  # a sign

    with pytest.raises(UserError, match=r"in use by process \d+ on elsewhere"):
        hold(tmp_path, report)
    assert "watching up to" in lines[0]


def test_a_clock_that_was_set_back_makes_nobody_wait_for_longer(tmp_path, monkeypatch):
    write_holder(tmp_path, age=-7_200)
    folder_lock.check_free(str(tmp_path))
    monkeypatch.setattr(folder_lock, "STALE_SECONDS", 2.0)
    lines = []
    assert hold(tmp_path, lines.append).process == os.getpid()
    assert "watching up to 2 s" in lines[0]


def test_a_holder_on_another_machine_is_watched_until_it_is_dead(tmp_path):
    write_holder(tmp_path, age=folder_lock.STALE_SECONDS - 2)
    lines = []
    assert hold(tmp_path, lines.append).process == os.getpid()
    assert "watching up to 2 s" in lines[0]
    assert "taken for dead" in lines[1]


def test_a_live_holder_on_another_machine_is_refused_without_a_trace(tmp_path):
    path = write_holder(tmp_path, age=5)
    with pytest.raises(UserError, match="on elsewhere"):
        folder_lock.check_free(str(tmp_path))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"\0" * 50, b"{}", b'{"host": 3}', b"\xff"])
def test_a_damaged_lock_without_a_holder_is_in_nobodys_way(tmp_path, content):
    (tmp_path / folder_lock.LOCK_FILE).write_bytes(content)
    folder_lock.check_free(str(tmp_path))
    assert hold(tmp_path).process == os.getpid()


def test_signs_of_life_go_on_while_held(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "BEAT_SECONDS", 0.02)
    path = tmp_path / folder_lock.LOCK_FILE
    with folder_lock.held(str(tmp_path), report=pytest.fail) as lock:
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        lock.check()


def test_who_lost_the_folder_while_asleep_is_told_and_leaves_the_others_lock(tmp_path):
    with folder_lock.held(str(tmp_path), report=pytest.fail) as lock:
        path = tmp_path / folder_lock.LOCK_FILE
        content = json.loads(path.read_text()) | {"host": "elsewhere", "token": "t"}
        path.write_text(json.dumps(content))
        with pytest.raises(UserError, match=r"was taken over by process .* on elsewhere"):
            lock.check()
    assert json.loads(path.read_text()) == content


@pytest.mark.parametrize(("paused", "is_lost"), [(folder_lock.STALE_SECONDS + 1, True), (5, False)])
def test_who_took_the_folder_while_this_process_was_asleep_may_have_ended(
    tmp_path, monkeypatch, paused, is_lost
):
    with folder_lock.held(str(tmp_path), report=pytest.fail) as lock:
        path = tmp_path / folder_lock.LOCK_FILE
        path.unlink()
        later = time.time() + paused
        monkeypatch.setattr(time, "time", lambda: later)
        if is_lost:
            with pytest.raises(UserError, match="was taken over by a process that has ended"):
                lock.check()
        else:
            lock.check()
        assert lock.give_sign() != is_lost
        assert path.exists() != is_lost


def test_a_lock_that_cannot_be_read_for_now_ends_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise tf.errors.UnavailableError(None, None, "no answer")

    with folder_lock.held(str(tmp_path), report=pytest.fail) as lock:
        with monkeypatch.context() as patch:
            patch.setattr(folder_lock, "read_holder", fail)
            lock.check()
            with pytest.raises(UserError, match=r"cannot be looked into \(no answer\)"):
                folder_lock.check_free(str(tmp_path))
        lock.check()


def test_a_folder_that_takes_no_files_is_told(tmp_path):
    with pytest.raises(UserError, match="cannot be locked"):
        hold(tmp_path / "missing")


def test_a_disk_that_is_full_at_the_lock_is_told_and_does_not_stay_locked(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(folder_lock, "_write", fail)
        with pytest.raises(UserError, match=r"cannot be locked.*Make room"):
            hold(tmp_path)
    assert hold(tmp_path).process == os.getpid()


def test_all_folders_can_be_given_up_before_an_end_at_once(tmp_path):
    with folder_lock.held(str(tmp_path), report=pytest.fail):
        folder_lock.release_all()
        assert list(tmp_path.iterdir()) == []
