"""Exports of tiny models, each written once for all tests of this folder."""

import pytest


@pytest.fixture(scope="session")
def bert_export(tmp_path_factory):
    from tests.export import exports  # most tests need neither it nor TensorFlow

    folder = tmp_path_factory.mktemp("bert_export")
    return exports.write(folder, exports.trained_model(exports.tiny_bert()))


@pytest.fixture(scope="session")
def albert_export(tmp_path_factory):
    from tests.export import exports

    folder = tmp_path_factory.mktemp("albert_export")
    trained = exports.trained_model(exports.tiny_albert(), has_vocabulary=False)
    return exports.write(folder, trained, model_name="small")
