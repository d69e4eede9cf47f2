"""Files of the safetensors format: what the format's own package writes, and damaged ones."""

import json
import pickle

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from mslt_tf.conversion import safetensors_files
from mslt_tf.errors import UserError

VALUES = {
    "floats": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.arange(4, dtype=np.float16),
    "numbers": np.array([[1, -2]], np.int64),
    "scalar": np.array(2.5, np.float64),
    "flags": np.array([True, False]),
}


def read_all(path):
    return {
        name: safetensors_files.read(t) for name, t in safetensors_files.open_file(path).items()
    }


def test_files_of_the_formats_package_are_read(tmp_path):
    path = str(tmp_path / "f")
    safetensors.numpy.save_file(VALUES, path, metadata={"any": "thing"})
    found = read_all(path)
    assert found.keys() == VALUES.keys()
    for name, value in VALUES.items():
        np.testing.assert_array_equal(found[name], value, strict=True)


def test_the_formats_package_reads_what_is_written(tmp_path):
    path = str(tmp_path / "f")
    safetensors_files.write(path, VALUES)
    with safetensors.safe_open(path, framework="np") as file:
        assert file.metadata() == {"format": "pt"}  # transformers refuses a file without
        for name, value in VALUES.items():
            np.testing.assert_array_equal(file.get_tensor(name), value, strict=True)


def test_bfloat16_is_read_as_float32(tmp_path):
    path = str(tmp_path / "f")
    bits = {"x": np.array([0x3F80, 0xC040, 0x0000, 0x7F80, 0x3DCD], np.uint16)}
    content = safetensors.numpy.save(bits).replace(b'"U16"', b'"BF16"')
    header = int.from_bytes(content[:8], "little") + 1
    (tmp_path / "f").write_bytes(header.to_bytes(8, "little") + content[8:])
    found = read_all(path)["x"]
    assert found.dtype == np.float32
    assert found.tolist() == [1.0, -3.0, 0.0, np.inf, 0.10009765625]


def tensor(begin=0, end=8, dtype="F32", shape=(2,)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def content(header, data=bytes(8)):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"", "its header would have"),
        (b"\x10\x00\x00", "its header would have"),
        (content({"x": tensor()})[:20], "its header would have"),
        ((2**63).to_bytes(8, "little") + b"{}", "its header would have"),
        (pickle.dumps({"x": np.zeros(50)}), "its header would have"),
        (content(b"\xff\xfe" * 9), "no JSON"),
        (content(b"[" * 100_000), "no JSON"),
        (content([]), "not an object"),
        (content({"x": 3}), "x is 3"),
        (content({"x": {"dtype": "F32"}}), "missing"),
        (content({"x": tensor(dtype="F8_E4M3")}), "x as F8_E4M3"),
        (content({"x": tensor(shape=(3,))}), "8 bytes, which is not what"),
        (content({"x": tensor(shape=(-1, -2))}), "8 bytes, which is not what"),
        (content({"x": tensor(shape=(2, *[1] * 100))}), "8 bytes, which is not what"),
        (content({"x": tensor(shape=(2**62, 2**62))}), "8 bytes, which is not what"),
        (content({"x": tensor(shape=[10**4_000] * 500)}), "8 bytes, which is not what"),
        (content({"x": tensor(shape=[10**4_000] * 8)}), "8 bytes, which is not what"),
        (content({"x": tensor(end=7, shape=(2,))}, bytes(7)), "7 bytes, which is not what"),
        (content({"x": tensor(8, 0)}), "lies at bytes"),
        (content({"x": tensor(-8, 0)}, b""), "lies at bytes"),
        (content({"x": {**tensor(), "data_offsets": [0]}}), "lies at bytes"),
        (content({"x": tensor(), "y": tensor(4, 12)}, bytes(12)), "y lies at bytes"),
        (content({"x": tensor(), "y": tensor(9, 17)}, bytes(17)), "y lies at bytes"),
        (content({"x": tensor()}, bytes(7)), "would have 8 bytes and have 7"),
        (content({"x": tensor()}, bytes(9)), "would have 8 bytes and have 9"),
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path, damaged, reason):
    path = str(tmp_path / "f")
    (tmp_path / "f").write_bytes(damaged)
    with pytest.raises(UserError, match=reason) as caught:
        safetensors_files.open_file(path)
    assert str(caught.value).startswith(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_file_that_shrinks_meanwhile_is_noticed(tmp_path):
    path = tmp_path / "f"
    safetensors_files.write(str(path), VALUES)
    tensors = safetensors_files.open_file(str(path))
    last = max(tensors.values(), key=lambda tensor: tensor.begin)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="cut short"):
        safetensors_files.read(last)
