"""Tiny fine-tunings, each done once for all tests of this folder."""

import pytest


@pytest.fixture(scope="session")
def mrpc_run(tmp_path_factory):
    from tests.finetuning.served import tiny_runs  # most tests need neither it nor TensorFlow

    return tiny_runs.finetune_on_mrpc(tmp_path_factory.mktemp("mrpc_run"))


@pytest.fixture(scope="session")
def squad_run(tmp_path_factory):
    from tests.finetuning.served import tiny_runs

    return tiny_runs.finetune_on_squad(tmp_path_factory.mktemp("squad_run"))
