# Everything to pretrain on NVIDIA GPUs, on CUDA 12.2, with which TensorFlow 2.15 was built.
# Not yet built or run: no machine with Docker and a GPU was at hand.
#
#   docker build --tag mslt_tf .
#   mkdir -p data runs cuda_cache  # Docker would make them as root
#   docker run --gpus all --rm --user "$(id -u):$(id -g)" --shm-size 1g \
#     --volume "$PWD/data:/app/data" --volume "$PWD/runs:/app/runs" \
#     --volume "$PWD/cuda_cache:/tmp/cuda_cache" mslt_tf \
#     -m mslt_tf.run_pretraining --flagfile=configs/one_gpu.flags --output_dir=runs/one_gpu ...

FROM nvidia/cuda:12.2.2-base-ubuntu22.04 AS installed
# Ubuntu 22.04 has no finished Python 3.11; uv fetches one.
RUN apt-get update && apt-get install --yes --no-install-recommends python3-pip \
    && rm -rf /var/lib/apt/lists/* && python3 -m pip install --no-cache-dir uv==0.5.11
ENV UV_PYTHON_INSTALL_DIR=/opt/python
WORKDIR /app
COPY scripts/make_venv.sh scripts/
RUN scripts/make_venv.sh .venv
COPY setup.py constraints.txt ./
COPY mslt_tf mslt_tf
COPY tfrecords_tools tfrecords_tools
# The libraries of CUDA and cuDNN come with the extra, at the versions that TensorFlow asks for.
RUN .venv/bin/python -m pip install --no-cache-dir -c constraints.txt pip setuptools wheel \
    && .venv/bin/python -m pip install --no-cache-dir -c constraints.txt --no-build-isolation \
       -e '.[gpu]'
COPY configs configs

FROM nvidia/cuda:12.2.2-base-ubuntu22.04
COPY --from=installed /opt/python /opt/python
COPY --from=installed /app /app
# The driver compiles kernels for GPUs that are newer than TensorFlow 2.15, and keeps them there:
# for the next container, where a folder of the host is mounted.
ENV CUDA_CACHE_MAXSIZE=4294967296 CUDA_CACHE_PATH=/tmp/cuda_cache HOME=/tmp
ENV PATH=/app/.venv/bin:$PATH
RUN useradd --uid 1000 --create-home pretrainer
USER pretrainer
WORKDIR /app
ENTRYPOINT ["python"]
