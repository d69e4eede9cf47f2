"""Paths that cannot be reached, and files that may not be read: the flag, the cause, the remedy."""

import os
import subprocess
import sys

import pytest

from mslt_tf.errors import UserError
from mslt_tf.pretraining import training
from tests import tiny


@pytest.fixture(scope="module")
def train_records(tmp_path_factory):
    return tiny.write_random_shards(tmp_path_factory.mktemp("data"))


def message_of(settings):
    with pytest.raises(UserError) as error:
        training.pretrain(tiny.config(**settings))
    assert "\n" not in str(error.value)
    assert "{{" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("flag", "path"),
    [
        ("output_dir", "s3://bucket/run"),
        ("train_records", "s3://bucket/train-*"),
        ("eval_records", "s3://bucket/held-*"),
        ("vocab_file", "hdfs://bucket/vocab.txt"),
        ("init_checkpoint", "s3://bucket/run/checkpoints/step-00000001"),
    ],
)
def test_a_path_that_tensorflow_does_not_know_is_told_with_its_flag(
    tmp_path, train_records, flag, path
):
    settings = {"train_records": train_records, "output_dir": tmp_path / "run", flag: path}
    message = message_of(settings)
    assert f"cannot read or write {path.partition(':')[0]}:// paths" in message
    assert f"--{flag}" in message or path in message
    assert "mounted disk" in message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
@pytest.mark.parametrize("flag", ["train_records", "vocab_file"])
def test_a_file_without_the_right_to_read_it_is_told(tmp_path, train_records, flag):
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    secret.chmod(0o600)
    tmp_path.chmod(0o777)
    program = (
        "import os, sys\nfrom tests import tiny\nfrom mslt_tf.errors import UserError\n"
        "from mslt_tf.pretraining import training\n"
        "config = tiny.config(**dict(pair.split('=') for pair in sys.argv[1:]))\n"
        "os.umask(0); os.seteuid(65534)\n"
        "try:\n    training.pretrain(config)\nexcept UserError as error:\n    print(error)\n"
    )
    settings = {"train_records": train_records, "output_dir": tmp_path / "run", flag: secret}
    (tmp_path / "run").mkdir(mode=0o777)
    (tmp_path / "run").chmod(0o777)
    for parent in tmp_path.parents[:-1]:
        if parent.stat().st_uid == os.getuid() and parent.name.startswith(("pytest", "popen")):
            parent.chmod(0o755)
    arguments = [f"{name}={value}" for name, value in settings.items()]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    message = done.stdout.splitlines()[-1]
    assert f"--{flag}" in message, done.stdout + done.stderr
    assert "Permission denied" in message
    assert "Get the rights to it" in message
    assert "micro_batch_size" not in message
