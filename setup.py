"""Packaging of mslt_tf. constraints.txt, by `make constraints`, has exact versions of all of it."""

from setuptools import find_packages, setup

# Records from text on many machines. 2.77 runs on Python 3.11, NumPy 1.26 and protobuf 4.25; its
# minor releases change how work is handed to the workers, so another one is a decision.
BEAM = "apache-beam==2.77.*"

setup(
    name="mslt_tf",
    version="0.1.0",
    description="Pretrains BERT and ALBERT by Multi-Stage Layerwise Training on TensorFlow 2.",
    packages=find_packages(include=["mslt_tf*", "tfrecords_tools*"]),
    python_requires=">=3.11,<3.12",  # TensorFlow 2.15 has nothing newer; the tests run on 3.11
    install_requires=[
        "tensorflow==2.15.1",  # the last release that tensorflow-addons works with
        "tensorflow-text==2.15.0",  # looks up word pieces; its ops must match TensorFlow's version
        "tensorflow-addons==0.23.0",  # the LAMB optimizer
        "keras-nlp==0.12.1",  # learns WordPiece vocabularies
        "tensorflow-datasets==4.9.*",  # corpora
        "importlib_resources",  # tensorflow-datasets imports it to build a data set, unasked
        "absl-py",  # flags
        "pyarrow",  # Parquet files, as corpora of the Hugging Face hub are; .zst files
        "blingfire",  # sentence splitting: keeps "Mr." whole, 8 MB/s on a core
        "scikit-learn",  # GLUE's metrics: Matthews, F1, accuracy
        "scipy",  # GLUE's correlations: Pearson, Spearman
        "matplotlib",  # the figures of run_report
        "safetensors",  # writes weights in the format that transformers loads
        "numpy==1.26.4",  # TensorFlow 2.15 is built against NumPy 1
        "tensorflow-metadata<1.16",  # newer needs protobuf 5, then tensorflow-datasets fails
        "setuptools<81",  # tensorflow-hub, behind tensorflow-text, imports pkg_resources
    ],
    extras_require={
        "dev": [
            "pytest",  # runs the tests
            "pytest-xdist",  # several at a time: most of them use one processor
            "ruff",  # lint and format
            "mypy",  # types on floor 0
            "zstandard",  # packs what the reader of .zst files is tested with
            "regex",  # Unicode's properties, as a reference
            "transformers==4.48.3",  # the independent BERT that outputs are compared with
            BEAM,  # its tests run with the others
        ],
        "beam": [BEAM],
        "gpu": ["tensorflow[and-cuda]==2.15.1"],  # the CUDA libraries TensorFlow was built with
    },
)
